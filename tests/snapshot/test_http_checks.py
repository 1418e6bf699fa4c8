from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.config.problems import ConfigErrors, Problems
from tollway.snapshot.http_checks import (
    checked_base_path,
    checked_headers,
    checked_proxy_url,
    checked_url,
    is_header_value,
    is_token,
)


def refused(problems: Problems) -> bool:
    try:
        problems.raise_if_any()
    except ConfigErrors:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "base", "loopback", "private"),
    [
        pytest.param("https://api.openai.com/v1/", "https://api.openai.com/v1", False, False, id="a name"),
        pytest.param("https://EXAMPLE.com", "https://example.com", False, False, id="no path"),
        pytest.param("http://localhost:11434/v1", "http://localhost:11434/v1", True, False, id="this machine"),
        pytest.param("http://127.0.0.1:9/", "http://127.0.0.1:9", True, True, id="loopback"),
        pytest.param("http://[::1]:9/a", "http://[::1]:9/a", True, True, id="loopback, version 6"),
        pytest.param("https://10.1.2.3", "https://10.1.2.3", False, True, id="private"),
        pytest.param("http://169.254.169.254/a", "http://169.254.169.254/a", False, True, id="link-local"),
        pytest.param("https://8.8.8.8", "https://8.8.8.8", False, False, id="public"),
        pytest.param("https://localhost.example", "https://localhost.example", False, False, id="only looks local"),
    ],
)
def test_a_url_says_where_it_leads(text: str, base: str, loopback: bool, private: bool) -> None:
    problems = Problems()
    url = checked_url(text, ("url",), problems)
    assert url is not None
    assert (url.base, url.loopback, url.private) == (base, loopback, private)
    assert not refused(problems)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.openai.com",
        "//api.openai.com",
        "https://",
        "https:///v1",
        "file:///etc/passwd",
        "https://a:b@c",
        "https://a@b",
        "https://a?",
        "https://a#",
        "https://a/%20?x",
        "https://a b",
        "https://a\r\nx: y",
        "https://a/b\r\nx: y",
        "https://a\tb",
        "https://-a",
        "https://a:x",
        "https://a/../b",
        "https://a/./b",
        "https://exämple.com",
        "https://[::1",
    ],
    ids=repr,
)
def test_what_is_not_a_base_url_is_refused(text: str) -> None:
    problems = Problems()
    assert checked_url(text, ("url",), problems) is None
    assert refused(problems)


@given(st.text() | st.text(alphabet="https:/.@?#[]a1%\r\n ", max_size=20).map(lambda rest: "https://" + rest))
def test_a_url_that_passes_can_be_written_into_a_request(text: str) -> None:
    url = checked_url(text, ("url",), Problems())
    if url is not None:
        assert url.base.isascii()
        assert url.base.isprintable()
        assert " " not in url.base
        parts = urlsplit(url.base)
        assert (parts.scheme, parts.hostname, parts.query, parts.username) == (url.scheme, url.host, "", None)


@pytest.mark.parametrize("text", ["https://p:1", "http://p", "http://p:1/path", "http://a:b@p:1", "p:1"])
def test_a_forward_proxy_is_host_and_port(text: str) -> None:
    problems = Problems()
    assert checked_proxy_url(text, ("proxy_url",), problems) is None
    assert refused(problems)
    assert checked_proxy_url("http://proxy.example:3128/", ("proxy_url",), Problems()) == "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("text", "base"), [("/", ""), ("/a", "/a"), ("/a/", "/a"), ("/a/b-c_d.e~1", "/a/b-c_d.e~1")], ids=repr
)
def test_a_base_path_loses_its_trailing_slash(text: str, base: str) -> None:
    problems = Problems()
    assert checked_base_path(text, ("base_path",), problems) == base
    assert not refused(problems)


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "//a", "/a//b", "/a/../b", "/.", "/a b", "/a%20b", "/a?b", "/ä", "/\n"], ids=repr
)
def test_what_is_not_a_base_path_is_refused(text: str) -> None:
    problems = Problems()
    checked_base_path(text, ("base_path",), problems)
    assert refused(problems)


@pytest.mark.parametrize(
    "name", ["", "a b", "a:", "é", "a\r\n", "Host", "content-length", "Transfer-Encoding"], ids=repr
)
def test_a_header_that_would_break_a_request_is_refused(name: str) -> None:
    problems = Problems()
    checked_headers({name: "x"}, ("headers",), problems, sent=True)
    assert refused(problems)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\n", "\0", " a", "a ", "é", "\x7f"], ids=repr)
def test_a_header_value_that_would_break_a_request_is_refused(value: str) -> None:
    problems = Problems()
    checked_headers({"x-a": value}, ("headers",), problems, sent=True)
    assert refused(problems)
    assert not is_header_value(value)


def test_good_headers_are_kept_by_their_lower_case_names() -> None:
    problems = Problems()
    headers = {"X-A": "one, two", "x-empty": "", "User-Agent": "x\ty"}
    assert checked_headers(headers, ("headers",), problems, sent=True) == {
        "x-a": "one, two",
        "x-empty": "",
        "user-agent": "x\ty",
    }
    assert not refused(problems)


def test_headers_that_are_only_matched_may_have_any_name() -> None:
    problems = Problems()
    assert checked_headers({"Host": "a"}, ("match_headers",), problems, sent=False) == {"host": "a"}
    assert not refused(problems)


@pytest.mark.parametrize(("text", "token"), [("POST", True), ("M-SEARCH", True), ("", False), ("a b", False)])
def test_a_token_is_one_word(text: str, token: bool) -> None:
    assert is_token(text) is token
