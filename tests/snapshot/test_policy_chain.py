from typing import Any

import msgspec
import pytest

from tollway.config.problems import ConfigErrors
from tollway.expressions import ExpressionError
from tollway.interfaces.policy import Policy, PolicyContext
from tollway.interfaces.secrets import Secret
from tollway.snapshot import plugins
from tollway.snapshot.codec import policy_config
from tollway.snapshot.document import PolicyUse

from .compiling import compiled


class Part(msgspec.Struct, frozen=True, tag="part"):
    size: int = 1


class Other(msgspec.Struct, frozen=True, tag="other"):
    name: str = ""


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    api_key: Secret
    words: frozenset[str] = frozenset()
    parts: tuple[Part | Other, ...] = ()
    by_name: dict[str, Secret] = {}
    why: str = ""


class Strict(Policy[Settings]):
    id = "strict"
    config_type = Settings

    def __init__(self, config: Settings, context: PolicyContext) -> None:
        super().__init__(config, context)
        if config.why == "contradiction":
            raise ValueError("these two settings contradict each other")
        if config.why == "expression":
            raise ExpressionError("no such name", column=3)
        if config.why == "counts":
            context.counters.admit([], (0, 0, 0), 0)
        if config.why == "asks":
            context.clients.find("a")


@pytest.fixture(autouse=True)
def strict_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    real = plugins.policy_type
    monkeypatch.setattr(plugins, "policy_type", lambda name: Strict if name == "strict" else real(name))


def use(config: str) -> PolicyUse:
    text = f"""
llm_proxies:
  - name: p
    base_path: /p
    routes: [{{name: r, provider: ollama}}]
    policies: [{{policy: strict, config: {config}}}]
"""
    return compiled(text).proxies[0].policies[0]


def test_policies_reach_the_snapshot_with_their_defaults_applied() -> None:
    enforcement, tokens = compiled().proxies[0].policies
    assert (enforcement.name, enforcement.policy, enforcement.shadow) == ("client-id-enforcement",) * 2 + (False,)
    assert enforcement.config["clientIdExpression"] == "#[attributes.headers['client_id']]"
    assert (tokens.name, tokens.shadow) == ("tokens", True)
    assert tokens.config["limits"][0]["totalTokens"] == 100_000
    (condition,) = tokens.when
    assert (condition.methods, condition.path, condition.headers) == (frozenset({"POST"}), "^/v1", {"x-a": "b"})


def test_secrets_in_a_policys_settings_are_read_and_stay_secret() -> None:
    config = use("{apiKey: '${env:KEY}', byName: {a: '${env:OTHER}'}}").config
    assert config["apiKey"] == Secret("sk-key")
    assert config["byName"] == {"a": Secret("sk-other")}


def test_the_gateway_gets_the_settings_back_as_the_policys_own_type() -> None:
    config = use("{apiKey: '${env:KEY}', words: [b, a], parts: [{type: part, size: 3}, {type: other, name: x}]}").config
    settings: Any = policy_config(Settings, config)
    assert settings == Settings(
        api_key=Secret("sk-key"), words=frozenset({"a", "b"}), parts=(Part(3), Other("x")), by_name={}
    )


@pytest.mark.parametrize(
    ("why", "message"),
    [
        ("contradiction", "these two settings contradict each other"),
        ("expression", "column 3: no such name"),
        ("counts", "the policy uses counters or clients while its settings are read"),
        ("asks", "the policy uses counters or clients while its settings are read"),
    ],
)
def test_what_a_policy_refuses_is_refused_with_the_configuration(why: str, message: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        use(f"{{apiKey: '${{env:KEY}}', why: {why}}}")
    assert str(raised.value).startswith(f"f.yaml:6:41: llm_proxies[0].policies[0].config: {message}")


def test_a_secret_that_is_missing_is_named_at_its_setting() -> None:
    with pytest.raises(ConfigErrors, match=r"config\.apiKey: the environment variable ABSENT is not set"):
        use("{apiKey: '${env:ABSENT}'}")


def test_a_disabled_policy_is_not_in_the_chain() -> None:
    text = """
llm_proxies:
  - name: p
    base_path: /p
    routes: [{name: r, provider: ollama}]
    policies: [{policy: strict, enabled: false, config: {apiKey: "${env:KEY}"}}]
"""
    assert compiled(text).proxies[0].policies == ()
