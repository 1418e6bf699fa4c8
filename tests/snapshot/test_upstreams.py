import pytest

from tollway.config.problems import ConfigErrors
from tollway.interfaces.secrets import Secret
from tollway.snapshot import plugins
from tollway.snapshot.document import Route

from .compiling import compiled


def route(settings: str) -> Route:
    text = f"llm_proxies: [{{name: p, base_path: /p, routes: [{{name: r, {settings}}}]}}]"
    return compiled(text).proxies[0].routes[0]


def test_routes_reach_the_snapshot() -> None:
    openai, local, inside, caller = compiled().proxies[0].routes
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


def test_the_url_is_prefilled_from_the_provider() -> None:
    assert route("provider: ollama").base_url == plugins.provider("ollama").base_url


@pytest.mark.parametrize(
    ("settings", "private"),
    [
        pytest.param("url: 'https://example.com'", False, id="a name"),
        pytest.param("url: 'https://example.com', allow_private: true", True, id="a name that may lead inside"),
        pytest.param("url: 'http://127.0.0.1:9'", True, id="this machine, by address"),
        pytest.param("url: 'http://localhost:9'", True, id="this machine, by name"),
    ],
)
def test_only_what_is_allowed_or_this_machine_may_be_private(settings: str, private: bool) -> None:
    assert route(f"provider: vllm, {settings}").allow_private is private


def test_a_credential_that_is_nowhere_used_must_still_be_there() -> None:
    with pytest.raises(ConfigErrors, match=r"credentials\[0\]\.values: the environment variable ABSENT is not set"):
        compiled("credentials: [{name: a, values: '${env:ABSENT}'}]")
