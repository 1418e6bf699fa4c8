import pytest

from tollway.config.problems import ConfigErrors

from .compiling import WHOLE, compiled


def test_listeners_reach_the_snapshot() -> None:
    main, inner = compiled().listeners
    assert (main.host, main.port, main.probes, main.metrics) == ("0.0.0.0", 8081, True, True)
    assert (main.limits.body_bytes, main.limits.idle_seconds, main.limits.header_seconds) == (1_048_576, 120, 10)
    assert (inner.host, inner.port, inner.probes, inner.metrics) == ("::1", 8082, False, False)


def test_a_root_holds_every_other_path_on_its_listener() -> None:
    with pytest.raises(ConfigErrors, match=r"/ lies within or around /llm-proxy of llm_proxies\[0\]"):
        compiled(WHOLE.replace("    listeners: [main]\n", ""))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("127.0.0.1:9000", "127.0.0.1:9000", id="the same"),
        pytest.param("0.0.0.0:9000", "127.0.0.1:9000", id="one is everywhere"),
        pytest.param("127.0.0.1:9000", "[::]:9000", id="the other is everywhere"),
    ],
)
def test_two_listeners_cannot_have_one_address(one: str, other: str) -> None:
    text = f"listeners: [{{name: a, address: '{one}'}}, {{name: b, address: '{other}'}}]"
    with pytest.raises(ConfigErrors, match=r"listeners\[1\]\.address: .* is taken by listeners\[0\]"):
        compiled(text)


def test_one_port_serves_two_addresses() -> None:
    text = "listeners: [{name: a, address: '127.0.0.1:9000'}, {name: b, address: '10.0.0.1:9000'}]"
    assert [listener.host for listener in compiled(text).listeners] == ["127.0.0.1", "10.0.0.1"]


def test_a_proxy_without_listeners_is_on_all_of_them() -> None:
    text = """
listeners: [{name: a, address: 9000}, {name: b, address: 9001}]
llm_proxies: [{name: p, base_path: /p, routes: [{name: r, provider: ollama}]}]
"""
    assert compiled(text).proxies[0].listeners == ("a", "b")


def test_two_proxies_may_share_a_base_path_on_different_listeners() -> None:
    text = """
listeners: [{name: a, address: 9000}, {name: b, address: 9001}]
llm_proxies:
  - {name: p, base_path: /p, listeners: [a], routes: [{name: r, provider: ollama}]}
  - {name: q, base_path: /p, listeners: [b], routes: [{name: r, provider: ollama}]}
"""
    assert [proxy.base_path for proxy in compiled(text).proxies] == ["/p", "/p"]
