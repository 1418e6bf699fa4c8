import stat
import subprocess
from pathlib import Path

import pytest

from tollway.cli.quickstart import PROVIDERS, write_quickstart
from tollway.interfaces.secrets import Secret
from tollway.snapshot.client_secrets import verify_client_secret
from tollway.snapshot.local import snapshot_from_files

KEYS = {"OPENAI_API_KEY": "sk-openai", "GEMINI_API_KEY": "sk-gemini", "ANTHROPIC_API_KEY": "sk-anthropic"}


@pytest.mark.parametrize("environ", [{}, {"GEMINI_API_KEY": "sk-gemini"}, KEYS], ids=["no keys", "one key", "all keys"])
def test_what_is_written_compiles_without_a_warning(environ: dict[str, str], tmp_path: Path) -> None:
    quickstart = write_quickstart(tmp_path / "data", environ=environ, sim_port=9999)
    warnings: list[str] = []
    snapshot = snapshot_from_files(quickstart.config_file, environ=environ, warn=warnings.append).snapshot
    assert warnings == []
    (proxy,) = snapshot.proxies
    assert (proxy.base_path, proxy.format, proxy.strategy) == ("/llm-proxy", "any", "model-based")
    assert [route.name for route in proxy.routes] == list(PROVIDERS)
    assert [policy.policy for policy in proxy.policies] == ["client-id-enforcement", "llm-token-rate-limit"]
    assert proxy.fallback is not None
    assert (proxy.fallback.route, proxy.fallback.model) == ("gemini", "gemini-3-pro")
    assert [contract.client_id for contract in proxy.contracts] == [quickstart.client_id]
    assert snapshot.data_dir == str(tmp_path / "data")


def test_a_provider_with_a_key_is_real_and_the_others_are_simulated(tmp_path: Path) -> None:
    environ = {"GEMINI_API_KEY": "sk-gemini", "OPENAI_API_KEY": ""}
    quickstart = write_quickstart(tmp_path, environ=environ, sim_port=9999)
    assert quickstart.real == ("gemini",)
    assert quickstart.simulated == {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    routes = {
        route.name: route
        for route in snapshot_from_files(quickstart.config_file, environ=environ).snapshot.proxies[0].routes
    }
    assert routes["gemini"].keys == (Secret("sk-gemini"),)
    assert routes["gemini"].base_url.startswith("https://")
    for name in ("openai", "anthropic"):
        assert routes[name].base_url.startswith("http://127.0.0.1:9999/")
        assert routes[name].keys == (Secret("simulated"),)


def test_the_client_can_log_in_and_its_secret_is_nowhere_else(tmp_path: Path) -> None:
    quickstart = write_quickstart(tmp_path, environ={}, sim_port=9999)
    (client,) = snapshot_from_files(quickstart.config_file, environ={}).snapshot.clients
    assert (client.name, client.business_group) == ("Finance Forecasting Agent", "Finance")
    assert verify_client_secret(quickstart.client_secret, client.secrets[0], now_us=0)
    holders = [file.name for file in tmp_path.iterdir() if quickstart.client_secret in file.read_text()]
    assert holders == ["quickstart.env"]


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    write_quickstart(tmp_path / "data", environ={}, sim_port=9999)
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()} == {
        "quickstart.yaml": 0o600,
        "quickstart.env": 0o600,
        "sim.key": 0o600,
    }


def test_the_assignments_are_the_shells(tmp_path: Path) -> None:
    quickstart = write_quickstart(tmp_path, environ={}, sim_port=9999, port=8099)
    command = f'. {quickstart.env_file} && printf "%s %s %s" "$GATEWAY_URL" "$CLIENT_ID" "$CLIENT_SECRET"'
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == f"http://localhost:8099 {quickstart.client_id} {quickstart.client_secret}"


def test_the_next_start_keeps_id_and_secret_and_decides_routes_anew(tmp_path: Path) -> None:
    first = write_quickstart(tmp_path, environ={}, sim_port=9999)
    second = write_quickstart(tmp_path, environ=KEYS, sim_port=9998)
    assert (second.client_id, second.client_secret) == (first.client_id, first.client_secret)
    assert (first.real, second.real) == ((), PROVIDERS)
    assert "simulated" not in second.config_file.read_text()


def test_the_same_start_writes_the_same_files(tmp_path: Path) -> None:
    first = write_quickstart(tmp_path, environ={}, sim_port=9999)
    text = first.config_file.read_text()
    write_quickstart(tmp_path, environ={}, sim_port=9999)
    assert first.config_file.read_text() == text


def test_other_lines_of_the_assignments_are_kept(tmp_path: Path) -> None:
    (tmp_path / "quickstart.env").write_text("export ADMIN_TOKEN='a b'\nnonsense\nBROKEN='x\nCLIENT_ID=mine\n")
    quickstart = write_quickstart(tmp_path, environ={}, sim_port=9999)
    assert quickstart.client_id == "mine"
    assert quickstart.env_file.read_text().splitlines()[0] == "ADMIN_TOKEN='a b'"


def test_two_installations_have_different_secrets(tmp_path: Path) -> None:
    one = write_quickstart(tmp_path / "a", environ={}, sim_port=9999)
    other = write_quickstart(tmp_path / "b", environ={}, sim_port=9999)
    assert one.client_id != other.client_id
    assert one.client_secret != other.client_secret
