"""What is refused stands in `refused/`: a configuration, and after `#!` the errors it must get, in order."""

import fnmatch
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.config.loader import read_texts
from tollway.config.problems import ConfigErrors
from tollway.config.resources import Resources
from tollway.config.secret_sources import EnvironmentSource
from tollway.interfaces.secrets import Secret
from tollway.snapshot.codec import content_version, decode, encode
from tollway.snapshot.compile import compile_snapshot
from tollway.snapshot.document import ResponseState
from tollway.snapshot.local import snapshot_from_files

from .compiling import ENVIRON, WHOLE, compiled

REFUSED = Path(__file__).parent / "refused"


@pytest.mark.parametrize("file", sorted(REFUSED.glob("*.yaml")), ids=lambda file: file.stem)
def test_everything_wrong_is_named_at_once_with_place_and_mend(file: Path) -> None:
    expected = [line.removeprefix("#! ") for line in file.read_text().splitlines() if line.startswith("#!")]
    with pytest.raises(ConfigErrors) as raised:
        snapshot_from_files(file, environ=ENVIRON)
    lines = [str(error).removeprefix(f"{file}:").replace(str(REFUSED), "FOLDER") for error in raised.value.errors]
    assert len(lines) == len(expected), lines
    for line, pattern in zip(lines, expected, strict=True):
        assert line == pattern or (pattern.endswith("*") and line.startswith(pattern[:-1])), line


def test_the_gateways_settings_reach_the_snapshot() -> None:
    snapshot = compiled()
    assert (snapshot.gateway, snapshot.workers, snapshot.drain_seconds) == ("edge", 3, 45)
    assert (snapshot.log_level, snapshot.server_header) == ("debug", True)
    assert snapshot.data_dir == "/etc/tollway/data"
    telemetry = snapshot.telemetry
    assert (telemetry.admin_host, telemetry.admin_port) == ("0.0.0.0", 9901)
    assert (telemetry.otlp_endpoint, telemetry.service_name) == ("http://collector:4318", "gw")
    assert telemetry.otlp_headers == {"authorization": Secret("sk-other")}


def test_proxies_reach_the_snapshot() -> None:
    first, second = compiled().proxies
    assert (first.base_path, first.listeners, first.format, first.strategy) == (
        "/llm-proxy",
        ("main",),
        "any",
        "priority",
    )
    assert first.fallback is not None
    assert (first.fallback.route, first.fallback.model, first.fallback.on) == (
        "local",
        "llama3",
        frozenset({"status_5xx", "budget"}),
    )
    assert (first.retries.attempts, first.retries.on, first.retries.backoff_seconds) == (
        2,
        frozenset({"connect_error"}),
        0.05,
    )
    assert (first.on_client_leave, first.drain_seconds, first.drain_bytes) == ("drain", 5, 1024)
    assert first.response_state == ResponseState(ttl_seconds=7200, max_turns=9, max_bytes=1024, max_client_bytes=2048)
    assert second.response_state is None
    assert (second.base_path, second.listeners, second.format) == ("", ("inner",), "openai")


def test_a_snapshot_comes_back_from_its_bytes_equal() -> None:
    snapshot = compiled()
    assert decode(encode(snapshot)) == snapshot
    assert snapshot.version == content_version(snapshot)


def test_the_same_configuration_compiles_to_the_same_version() -> None:
    reordered = WHOLE.replace("{name: main, address: 0.0.0.0:8081,", "{address: 0.0.0.0:8081, name: main,")
    assert reordered != WHOLE
    assert compiled(reordered) == compiled()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("workers: 3", "workers: 4", id="a number"),
        pytest.param("weight: 3", "weight: 4", id="deep inside"),
        pytest.param("totalTokens: 100000", "totalTokens: 100001", id="a policy's setting"),
        pytest.param("fast: gpt-5-mini", "fast: gpt-5-nano", id="an alias"),
        pytest.param('["${env:KEY}", "${env:OTHER}"]', '["${env:OTHER}", "${env:KEY}"]', id="the order of keys"),
    ],
)
def test_another_content_has_another_version(old: str, new: str) -> None:
    assert old in WHOLE
    assert compiled(WHOLE.replace(old, new)).version != compiled().version


@pytest.mark.parametrize("name", ["KEY", "CLIENT_SECRET"])
def test_another_secret_makes_another_version(name: str) -> None:
    assert compiled(WHOLE, {**ENVIRON, name: "sk-new"}).version != compiled().version


def test_without_positions_errors_still_name_their_place() -> None:
    resources = msgspec.structs.replace(Resources(), listeners=())
    with pytest.raises(ConfigErrors, match=r"^listeners: empty"):
        compile_snapshot(resources, secrets={}, folder=Path("/"))


def test_a_scheme_without_source_is_refused() -> None:
    with pytest.raises(ConfigErrors, match=r"no source for \$\{vault:…\} is set up here; there are: env"):
        compiled("credentials: [{name: a, values: '${vault:x}'}]")


def test_doubtful_settings_are_warned_of() -> None:
    text = WHOLE.replace("[{client: App, sla_tier: Gold}, {client: Other}]", "[]")
    document = read_texts([(text, "f.yaml")], folder=Path("/"))
    warnings: list[str] = []
    compile_snapshot(
        document.resources,
        secrets={"env": EnvironmentSource(ENVIRON)},
        folder=Path("/"),
        problems=document.problems,
        warn=warnings.append,
    )
    for expected in (
        "listener 'main' serves plain HTTP on 0.0.0.0:8081*",
        "route 'openai' does not check its upstream's certificate*",
        "LLM proxy 'first' enforces client ids but has no contracts*",
    ):
        assert fnmatch.filter(warnings, expected), expected


LINES = WHOLE.splitlines(keepends=True)


@given(st.data())
def test_a_configuration_with_a_line_less_or_changed_is_compiled_or_refused(data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(LINES) - 1))
    junk = st.sampled_from(["", "  x: 1\n", "    - {}\n", "name: 5\n", "      - null\n", "   tls: [a]\n"])
    text = "".join([*LINES[:index], data.draw(junk), *LINES[index + 1 :]])
    try:
        snapshot = compiled(text)
    except ConfigErrors:
        return
    assert decode(encode(snapshot)) == snapshot
