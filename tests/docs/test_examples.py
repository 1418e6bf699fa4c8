"""The examples of the documentation do what the pages say, with the programs a reader would run."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import yaml
from tests.docs.blocks import DOCS, PAGES, ROOT, Block, blocks, named
from tests.support.provider_checks import OpenAIFamilyChecks
from tests.support.running import Gateway, Program, environment, free_port, until

import tollway.policies
import tollway.providers
from tollway.config.resources import LlmProxy, Resources
from tollway.snapshot import plugins
from tollway.snapshot.local import snapshot_from_files

BLOCKS = [block for page in PAGES for block in blocks(page)]
YAML = [block for block in BLOCKS if block.language == "yaml"]
_SECTIONS = set(Resources.__struct_fields__)
_PROXY_KEYS = set(LlmProxy.__struct_fields__)
_READ_BY_OTHERS = {"policy-case", "own-simulated", "provider-use", "policy-use"}
"""Blocks that tests of their own read: a test's case, changes to another block, plug-ins that are not installed."""


def _wholes() -> list[Block]:
    return [block for block in YAML if "llm_proxies" in yaml.safe_load(block.text)]


def _parts() -> list[Block]:
    return [block for block in YAML if block not in _wholes() and block.name not in _READ_BY_OTHERS]


@pytest.fixture(scope="module")
def tls_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the certificates that the page on TLS makes, by its own commands."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    _shell(named("how-to/tls-and-mtls.md")["make-certificates"], folder, environment())
    return folder


def _shell(script: str, folder: Path, environ: dict[str, str]) -> str:
    """Run what a reader would paste; give what it printed."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH', '')}"
    done = subprocess.run(
        ["/bin/sh", "-euc", script],
        cwd=folder,
        env={**environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _check(text: str, folder: Path) -> list[str]:
    """Check a configuration as `tollway check --without-secrets` would; give its warnings."""
    file = folder / "tollway.yaml"
    file.write_text(text, "utf-8")
    warnings: list[str] = []
    snapshot_from_files(file, warn=warnings.append, read_secrets=False)
    return warnings


# --- configurations


@pytest.mark.parametrize("block", _wholes(), ids=str)
def test_a_whole_configuration_is_sound(block: Block, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    folder = request.getfixturevalue("tls_folder") if "tls/" in block.text else tmp_path
    assert _check(block.text, folder) == []


@pytest.mark.parametrize("block", _parts(), ids=str)
def test_a_part_of_a_configuration_is_sound_in_its_place(block: Block, tmp_path: Path) -> None:
    part: dict[str, Any] = yaml.safe_load(block.text)
    assert set(part) <= _SECTIONS | _PROXY_KEYS, "neither a section nor a key of an LLM proxy"
    proxy = {"name": "example", "base_path": "/example", "routes": [{"name": "ollama", "provider": "ollama"}]}
    proxy |= {key: value for key, value in part.items() if key in _PROXY_KEYS}
    if _uses_tiers(part):
        proxy |= {"sla_tiers": [{"name": "Gold", "limits": [{"total_tokens": 1}]}]}
    sections = {key: value for key, value in part.items() if key in _SECTIONS}
    _check(yaml.safe_dump({**sections, "llm_proxies": [proxy]}), tmp_path)


def _uses_tiers(part: dict[str, Any]) -> bool:
    return any(use.get("config", {}).get("useSlaTier") for use in part.get("policies", ()))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_a_json_example_is_json(block: Block) -> None:
    assert msgspec.json.decode(block.text)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "python"], ids=str)
def test_a_python_example_is_python(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "javascript"], ids=str)
def test_a_javascript_example_is_javascript(block: Block, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    file = tmp_path / "example.mjs"
    file.write_text(block.text, "utf-8")
    done = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "shell"], ids=str)
def test_a_shell_example_is_shell(block: Block) -> None:
    done = subprocess.run(["/bin/sh", "-nc", block.text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_kind_of_block_is_looked_at() -> None:
    assert {block.language for block in BLOCKS} <= {
        "json",
        "javascript",
        "python",
        "shell",
        "text",
        "toctree",
        "toml",
        "yaml",
    }
    assert len(_wholes()) > 15


# --- calls of a gateway that `tollway up` runs


class Up(Program):
    """What `make run` starts."""

    def __init__(self, folder: Path) -> None:
        """Prepare in a folder of its own, where the pages' own paths lead to its data."""
        self.port = free_port()
        super().__init__(folder, ["up", "--data", str(folder / "tollway-data"), "--port", str(self.port)])

    def environ(self) -> dict[str, str]:
        """What the page has the reader take over."""
        script = '. tollway-data/quickstart.env; printf "%s\\n" "$GATEWAY_URL" "$CLIENT_ID" "$CLIENT_SECRET"'
        values = _shell(script, self.folder, environment()).split()
        return environment(**dict(zip(("GATEWAY_URL", "CLIENT_ID", "CLIENT_SECRET"), values, strict=True)))

    def shell(self, script: str) -> str:
        """Run a block in a shell that has taken them over."""
        return _shell(script, self.folder, self.environ())

    def python(self, code: str) -> str:
        """Run a block as a program."""
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ(), capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    program = Up(tmp_path_factory.mktemp("up"))
    program.start()
    program.wait_for("Ctrl-C stops it")
    yield program
    assert program.stop() == 0


TUTORIAL = named("tutorials/first-llm-proxy.md")
SDKS = named("how-to/call-with-your-sdk.md")


def test_the_banner_is_the_one_the_tutorial_shows(up: Up) -> None:
    shown = (DOCS / "tutorials" / "first-llm-proxy.md").read_text("utf-8").partition("```text\n")[2].partition("```")[0]
    printed = _without_the_readers_own(up.stdout)
    for line in _without_the_readers_own(shown).splitlines():
        assert line in printed


def _without_the_readers_own(text: str) -> str:
    """Take out ids, ports and folders."""
    return re.sub(r"[0-9a-f]{32,}|localhost:\d+|\S*tollway-data|\S+(?= usage$)", "…", text, flags=re.MULTILINE)


def test_the_tutorials_chat_completion_works(up: Up) -> None:
    answer = msgspec.json.decode(up.shell(TUTORIAL["call-chat"]))
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["total_tokens"] > 0


def test_the_tutorials_response_works(up: Up) -> None:
    answer = msgspec.json.decode(up.shell(TUTORIAL["call-responses"]))
    assert "Paris" in answer["output"][0]["content"][0]["text"]


def test_the_tutorials_sdk_program_works(up: Up) -> None:
    pytest.importorskip("openai")
    printed = up.python(TUTORIAL["call-sdk"])
    assert printed.count("Paris") == 2
    assert len(re.findall(r"^tokens: [1-9]\d*$", printed, re.MULTILINE)) == 2


def test_the_tutorial_sees_its_usage(up: Up) -> None:
    up.shell(TUTORIAL["call-chat"])

    def shown() -> str:
        told = up.shell(TUTORIAL["usage-quickstart"])
        return told if "Finance Forecasting Agent" in told else ""

    tables = until(shown, "the usage")
    assert "gemini-2.5-flash" in tables


@pytest.mark.parametrize(
    ("name", "package", "times"),
    [
        ("sdk-openai", "openai", 2),
        ("sdk-anthropic", "anthropic", 1),
        ("sdk-google", "google.genai", 1),
        ("sdk-cohere", "cohere", 1),
        ("sdk-ollama", "ollama", 1),
    ],
    ids=["openai", "anthropic", "google", "cohere", "ollama"],
)
def test_an_sdk_program_works(up: Up, name: str, package: str, times: int) -> None:
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        pytest.skip(f"{package} is not installed")
    assert up.python(SDKS[name]).count("Paris") == times


def test_a_stream_by_curl_works(up: Up) -> None:
    events = [line for line in up.shell(SDKS["sdk-curl"]).splitlines() if line]
    assert len(events) > 3
    assert events[-1] == "data: [DONE]"
    assert msgspec.json.decode(events[-2].removeprefix("data: "))["usage"]["total_tokens"] > 0


def test_the_list_of_models_works(up: Up) -> None:
    names = {one["id"] for one in msgspec.json.decode(up.shell(SDKS["sdk-models"]))["data"]}
    assert {"openai/gpt-5-mini", "gemini/gemini-2.5-flash", "anthropic/claude-haiku-4-5"} <= names


# --- the gateway a reader of the tutorial writes


class Own:
    """The second half of the tutorial, up to its running gateway."""

    def __init__(self, folder: Path) -> None:
        """Do what the page says, without a provider's key, on free ports."""
        self.port, sim_port = free_port(), free_port()
        setup = "\n".join(TUTORIAL[name] for name in ("own-folder", "own-secret", "own-keys"))
        told = _shell(f'{setup}\nprintf "%s\\n" "$CLIENT_SECRET"', folder, environment()).splitlines()
        self.folder = folder / "my-gateway"
        self.environ = environment(GEMINI_API_KEY="simulated", CLIENT_ID="finance-forecasting", CLIENT_SECRET=told[-1])
        written = re.search(r"sha256:\S+", TUTORIAL["own-config"])
        assert written is not None
        text = TUTORIAL["own-config"].replace(written[0], told[0])
        config = yaml.safe_load(text)
        for route, simulated in zip(
            config["llm_proxies"][0]["routes"], yaml.safe_load(TUTORIAL["own-simulated"])["routes"], strict=True
        ):
            assert route["name"] == simulated["name"]
            route["url"] = simulated["url"].replace(":8090", f":{sim_port}")
        config["listeners"] = [{"name": "default", "address": f"127.0.0.1:{self.port}"}]
        (self.folder / "tollway.yaml").write_text(yaml.safe_dump(config), "utf-8")
        self.checked = self.shell("own-check")
        (folder / "sim").mkdir()
        self.sim = Program(folder / "sim", ["sim", "--port", str(sim_port)])
        self.gateway = Program(self.folder, ["gateway", "--config", str(self.folder / "tollway.yaml")], self.environ)

    def shell(self, name: str) -> str:
        """Run a block of the page."""
        return _shell(TUTORIAL[name].replace("localhost:8081", f"localhost:{self.port}"), self.folder, self.environ)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    made = Own(tmp_path_factory.mktemp("own"))
    made.sim.start()
    made.sim.wait_for("listens on")
    made.gateway.start()
    made.gateway.wait_for("tollway: gateway on")
    yield made
    assert made.gateway.stop() == 0
    assert made.sim.stop() == 0


def test_the_readers_own_configuration_is_sound(own: Own) -> None:
    assert own.checked == "tollway.yaml: ok, 1 LLM proxy, 2 routes, 1 client application, 1 listener\n"


def test_the_readers_own_call_is_answered_and_says_by_whom(own: Own) -> None:
    answer = own.shell("own-call")
    assert answer.startswith("HTTP/1.1 200")
    assert "x-llm-proxy-llm-provider: openai" in answer
    assert "x-llm-proxy-llm-model: gpt-5.2" in answer
    assert "x-token-remaining: " in answer
    assert "Paris" in answer


def test_the_readers_unknown_model_goes_to_the_fallback(own: Own) -> None:
    answer = own.shell("own-fallback")
    assert answer.startswith("HTTP/1.1 200")
    assert "x-llm-proxy-routing-fallback: true" in answer
    assert "x-llm-proxy-llm-model: gemini-3-pro" in answer


def test_the_reader_without_a_secret_is_refused(own: Own) -> None:
    assert own.shell("own-refused").startswith("HTTP/1.1 401")


def test_the_readers_own_usage_is_shown(own: Own) -> None:
    own.shell("own-call")

    def shown() -> str:
        told = own.shell("own-usage")
        return told if "gpt-5.2" in told else ""

    text = until(shown, "the usage")
    report = msgspec.json.decode(text[text.index("\n{") :])
    assert report["tables"][0]["by"] == ["client", "model"]


# --- other pages


def test_a_client_secret_is_made_and_hashed(tmp_path: Path) -> None:
    assert _shell(named("how-to/identify-callers.md")["make-secret"], tmp_path, environment()).startswith("sha256:")


def test_tls_and_mtls_calls_work(tls_folder: Path) -> None:
    page = named("how-to/tls-and-mtls.md")
    ports = {"8443": str(free_port()), "9443": str(free_port())}
    text, calls = page["tls-config"].replace("0.0.0.0", "127.0.0.1"), page["tls-call"]
    for written, free in ports.items():
        text, calls = text.replace(written, free), calls.replace(written, free)
    (tls_folder / "served.yaml").write_text(text, "utf-8")
    environ = environment(EXAMPLE_SECRET="made-up-secret", OPENAI_API_KEY="made-up-key")
    gateway = Program(tls_folder, ["gateway", "--config", str(tls_folder / "served.yaml")], environ)
    gateway.start()
    try:
        gateway.wait_for("tollway: gateway on")
        with_certificate = [line for line in calls.splitlines() if "--cert " in line]
        assert _shell(calls, tls_folder, environ).count('"object":"list"') == 2
        without = with_certificate[0].replace("--cert tls/client.pem --key tls/client.key", "")
        with pytest.raises(AssertionError):
            _shell(without, tls_folder, environ)
    finally:
        assert gateway.stop() == 0


@pytest.mark.parametrize("asked", [True, False])
def test_the_server_header_is_sent_only_when_asked_for(tmp_path: Path, asked: bool) -> None:
    resources = {
        "gateway": {"server_header": asked},
        "llm_proxies": [
            {"name": "p", "base_path": "/p", "routes": [{"name": "ollama", "provider": "ollama"}]},
        ],
    }
    with Gateway(tmp_path, resources) as gateway:
        for path in ("/probes/liveness", "/p/v1/models", "/nowhere"):
            assert httpx.get(f"{gateway.url}{path}").headers.get("server") == ("tollway" if asked else None)


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose modules are found as if they stood beside ours."""
    for package in (tollway.policies, tollway.providers):
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    yield tmp_path
    for name in ("tollway.policies.model_allowlist", "tollway.providers.example_ai"):
        sys.modules.pop(name, None)
    for cached in (plugins.policy_type, plugins.provider, plugins._names):
        cached.cache_clear()


def test_the_policy_of_the_page_is_found_and_used(plugin: Path, tmp_path: Path) -> None:
    page = named("how-to/write-a-policy.md")
    (plugin / "model_allowlist.py").write_text(page["policy-code"], "utf-8")
    proxy = {"name": "p", "base_path": "/p", "routes": [{"name": "ollama", "provider": "ollama"}]}
    proxy |= yaml.safe_load(page["policy-use"])
    assert _check(yaml.safe_dump({"llm_proxies": [proxy]}), tmp_path) == []


def test_the_policy_of_the_page_passes_its_suite(tmp_path: Path) -> None:
    page = named("how-to/write-a-policy.md")
    modules, cases = tmp_path / "modules", tmp_path / "tests" / "golden" / "policies" / "model-allowlist"
    modules.mkdir()
    cases.mkdir(parents=True)
    (modules / "model_allowlist.py").write_text(page["policy-code"], "utf-8")
    (cases / "case.yaml").write_text(page["policy-case"], "utf-8")
    (tmp_path / "test_model_allowlist.py").write_text(page["policy-test"], "utf-8")
    (tmp_path / "conftest.py").write_text(
        f"import tollway.policies\ntollway.policies.__path__.append({str(modules)!r})\n", "utf-8"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_the_provider_of_the_page_is_found_and_keeps_the_rules(plugin: Path, tmp_path: Path) -> None:
    page = named("how-to/add-a-provider.md")
    (plugin / "example_ai.py").write_text(page["provider-code"], "utf-8")
    config = {
        "credentials": [{"name": "example", "values": "${env:EXAMPLE_AI_API_KEY}"}],
        "llm_proxies": [{"name": "p", "base_path": "/p", **yaml.safe_load(page["provider-use"])}],
    }
    assert _check(yaml.safe_dump(config), tmp_path) == []
    checks = OpenAIFamilyChecks()
    checks.provider = plugins.provider("example-ai")
    names = [name for name in dir(checks) if name.startswith("test_")]
    assert len(names) > 3
    for name in names:
        getattr(checks, name)()


# --- the README


def test_the_readmes_call_works(up: Up) -> None:
    call = next(block.text for block in blocks(ROOT / "README.md") if "quickstart.env" in block.text)
    answer = msgspec.json.decode(up.shell(call))
    assert "Paris" in answer["choices"][0]["message"]["content"]


def test_the_readmes_program_works(up: Up) -> None:
    pytest.importorskip("openai")
    code = next(block.text for block in blocks(ROOT / "README.md") if block.language == "python")
    environ = up.environ()
    assert code.count('"..."') == 2
    for name in ("CLIENT_ID", "CLIENT_SECRET"):
        code = code.replace('"..."', repr(environ[name]), 1)
    assert "Paris" in up.python(code.replace("http://localhost:8081", environ["GATEWAY_URL"]))
