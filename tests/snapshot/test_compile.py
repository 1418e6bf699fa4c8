"""What is refused stands in `refused/`: a configuration, and after `#!` the errors it must get, in order."""

import fnmatch
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.config.loader import read_texts
from tollway.config.problems import ConfigErrors
from tollway.config.resources import Resources
from tollway.config.secret_sources import EnvironmentSource
from tollway.interfaces.identity import TokenLimit
from tollway.interfaces.secrets import Secret
from tollway.snapshot.client_secrets import hash_client_secret
from tollway.snapshot.codec import content_version, decode, encode
from tollway.snapshot.compile import compile_snapshot
from tollway.snapshot.document import Contract, Snapshot
from tollway.snapshot.local import snapshot_from_files

REFUSED = Path(__file__).parent / "refused"
ENVIRON = {"KEY": "sk-key", "OTHER": "sk-other", "CLIENT_SECRET": "s3cret", "TWO_LINES": "a\nb"}

FULL = """
gateway:
  name: edge
  workers: 3
  data_dir: data
  drain: 45s
  log_level: debug
  server_header: true
  admin: 0.0.0.0:9901
  telemetry: {otlp_endpoint: "http://collector:4318/", otlp_headers: {Authorization: "${env:OTHER}"}, service_name: gw}
listeners:
  - {name: main, address: 0.0.0.0:8081, limits: {body_bytes: 1MiB, idle_timeout: 2m}, metrics: true}
  - {name: inner, address: "[::1]:8082", probes: false}
business_groups: [{name: Finance, cost_centre: CC-7}]
clients:
  - {name: App, client_id: app, business_group: Finance, secrets: ["${env:CLIENT_SECRET}"], properties: {tier: a}}
  - name: Other
    client_id: other
    business_group: Finance
    properties: {cost_centre: CC-9}
    secrets: [{secret: "sha256:0123456789abcdef:HASH", expires: "2027-01-31T00:00:00.5+01:00"}]
credentials:
  - {name: openai, provider: openai, values: ["${env:KEY}", "${env:OTHER}"]}
llm_proxies:
  - name: first
    base_path: /llm-proxy/
    format: any
    routes:
      - name: openai
        provider: openai
        credential: openai
        target_model: gpt-5
        models: [gpt-x]
        aliases: {fast: gpt-5-mini}
        headers: {X-Org: acme}
        query: {v: "1"}
        match_headers: {X-Region: eu}
        timeouts: {connect: 1s, total: 10m}
        tls: {server_name: api.example, verify: false}
        proxy_url: http://proxy:3128
        weight: 3
        priority: 2
        health: {window: 5s, rest: 1m, error_rate: 0.25}
      - {name: local, provider: ollama}
      - {name: inside, provider: vllm, url: "http://10.0.0.5:8000/v1/", allow_insecure: true, allow_private: true}
      - {name: caller, provider: openai, key_expression: "#[attributes.headers['x-key']]"}
    strategy: priority
    fallback: {route: local, model: llama3, on: [status_5xx, budget]}
    retries: {attempts: 2, on: [connect_error], backoff: 50ms}
    policies:
      - policy: client-id-enforcement
      - policy: llm-token-rate-limit
        name: tokens
        shadow: true
        when: [{methods: [post], path: ^/v1, headers: {X-A: b}}]
        config: {keySelector: "#[attributes.headers['ClientId']]", limits: [{totalTokens: 100000}]}
      - {policy: client-id-enforcement, name: off, enabled: false}
    sla_tiers: [{name: Gold, limits: [{total_tokens: 5, period: 1m}, {prompt_tokens: 3, period: 1h}]}]
    contracts: [{client: App, sla_tier: Gold}, {client: Other}]
    on_client_leave: drain
    drain_time: 5s
    drain_bytes: 1KiB
  - name: second
    base_path: /
    listeners: [inner]
    routes: [{name: openai, provider: openai, credential: openai}]
    contracts: all
""".replace("HASH", "a" * 64).replace("listeners: [inner]", "listeners: [inner]")


def compiled(text: str, environ: Mapping[str, str] = ENVIRON) -> Snapshot:
    document = read_texts([(text, "f.yaml")], folder=Path("/etc/tollway"))
    source = EnvironmentSource(environ)
    return compile_snapshot(
        document.resources, secrets={"env": source}, folder=document.folder, problems=document.problems
    )


# The first proxy is on all listeners, so the root of the second would hold it: here it is on one only.
WHOLE = FULL.replace("    base_path: /llm-proxy/\n", "    base_path: /llm-proxy/\n    listeners: [main]\n")


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
    snapshot = compiled(WHOLE)
    assert (snapshot.gateway, snapshot.workers, snapshot.drain_seconds) == ("edge", 3, 45)
    assert (snapshot.log_level, snapshot.server_header) == ("debug", True)
    assert snapshot.data_dir == "/etc/tollway/data"
    telemetry = snapshot.telemetry
    assert (telemetry.admin_host, telemetry.admin_port) == ("0.0.0.0", 9901)
    assert (telemetry.otlp_endpoint, telemetry.service_name) == ("http://collector:4318", "gw")
    assert telemetry.otlp_headers == {"authorization": Secret("sk-other")}


def test_listeners_reach_the_snapshot() -> None:
    main, inner = compiled(WHOLE).listeners
    assert (main.host, main.port, main.probes, main.metrics) == ("0.0.0.0", 8081, True, True)
    assert (main.limits.body_bytes, main.limits.idle_seconds, main.limits.header_seconds) == (1_048_576, 120, 10)
    assert (inner.host, inner.port, inner.probes, inner.metrics) == ("::1", 8082, False, False)


def test_clients_reach_the_snapshot_with_hashed_secrets() -> None:
    app, other = compiled(WHOLE).clients
    assert (app.client_id, app.name, app.business_group) == ("app", "App", "Finance")
    (secret,) = app.secrets
    assert secret.sha256 == hash_client_secret("s3cret", secret.salt)
    assert secret.expires_us == 0
    assert (other.secrets[0].salt, other.secrets[0].sha256) == ("0123456789abcdef", "a" * 64)
    assert other.secrets[0].expires_us == 1_801_350_000_500_000


def test_a_client_has_its_groups_cost_centre_unless_it_has_its_own() -> None:
    app, other = compiled(WHOLE).clients
    assert app.properties == {"tier": "a", "cost_centre": "CC-7"}
    assert other.properties == {"cost_centre": "CC-9"}


def test_routes_reach_the_snapshot() -> None:
    openai, local, inside, caller = compiled(WHOLE).proxies[0].routes
    assert openai.base_url == "https://api.openai.com/v1"
    assert (openai.credential, openai.keys) == ("openai", (Secret("sk-key"), Secret("sk-other")))
    assert (openai.target_model, openai.models, openai.aliases) == ("gpt-5", ("gpt-x",), {"fast": "gpt-5-mini"})
    assert (openai.headers, openai.query, openai.match_headers) == ({"x-org": "acme"}, {"v": "1"}, {"x-region": "eu"})
    assert (openai.timeouts.connect_seconds, openai.timeouts.total_seconds) == (1, 600)
    assert (openai.tls.server_name, openai.tls.verify, openai.proxy_url) == ("api.example", False, "http://proxy:3128")
    assert (openai.weight, openai.priority, openai.allow_private) == (3, 2, False)
    assert (openai.health.window_seconds, openai.health.open_seconds, openai.health.error_rate) == (5, 60, 0.25)
    assert (local.target_model, local.keys, local.allow_private) == (None, (), True)
    assert (inside.base_url, inside.allow_private) == ("http://10.0.0.5:8000/v1", True)
    assert (caller.key_expression, caller.keys) == ("#[attributes.headers['x-key']]", ())


def test_proxies_reach_the_snapshot() -> None:
    first, second = compiled(WHOLE).proxies
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
    assert (second.base_path, second.listeners, second.format) == ("", ("inner",), "openai")


def test_contracts_reach_the_snapshot_with_their_tiers() -> None:
    first, second = compiled(WHOLE).proxies
    limits = (
        TokenLimit(total_tokens=5, period_ms=60_000),
        TokenLimit(prompt_tokens=3, period_ms=3_600_000),
    )
    assert first.contracts == (
        Contract(client_id="app", sla_tier="Gold", sla_limits=limits),
        Contract(client_id="other"),
    )
    assert second.contracts == (Contract(client_id="app"), Contract(client_id="other"))


def test_policies_reach_the_snapshot_with_their_defaults_applied() -> None:
    enforcement, tokens = compiled(WHOLE).proxies[0].policies
    assert (enforcement.name, enforcement.policy, enforcement.shadow) == ("client-id-enforcement",) * 2 + (False,)
    assert enforcement.config["clientIdExpression"] == "#[attributes.headers['client_id']]"
    assert (tokens.name, tokens.shadow) == ("tokens", True)
    assert tokens.config["limits"][0]["totalTokens"] == 100_000
    (condition,) = tokens.when
    assert (condition.methods, condition.path, condition.headers) == (frozenset({"POST"}), "^/v1", {"x-a": "b"})


def test_a_snapshot_comes_back_from_its_bytes_equal() -> None:
    snapshot = compiled(WHOLE)
    assert decode(encode(snapshot)) == snapshot
    assert snapshot.version == content_version(snapshot)


def test_the_same_configuration_compiles_to_the_same_version() -> None:
    reordered = WHOLE.replace("{name: main, address: 0.0.0.0:8081,", "{address: 0.0.0.0:8081, name: main,")
    assert reordered != WHOLE
    assert compiled(reordered) == compiled(WHOLE)


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
    assert compiled(WHOLE.replace(old, new)).version != compiled(WHOLE).version


@pytest.mark.parametrize("name", ["KEY", "CLIENT_SECRET"])
def test_another_secret_makes_another_version(name: str) -> None:
    assert compiled(WHOLE, {**ENVIRON, name: "sk-new"}).version != compiled(WHOLE).version


def test_a_root_holds_every_other_path_on_its_listener() -> None:
    with pytest.raises(ConfigErrors, match=r"/ lies within or around /llm-proxy of llm_proxies\[0\]"):
        compiled(FULL)


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
