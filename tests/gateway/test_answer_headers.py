"""The header lines of answers: whatever is put into them, each stays one line."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.answer_headers import PassedHeaders, RoutingHeaders, header_line, header_text

LINE = re.compile(rb"[\x20-\x7e]+\r\n")
hostile = st.text() | st.text(alphabet="\r\n\0\t :ab\u2028\x85é")


@given(hostile, hostile)
def test_no_name_or_value_can_smuggle_in_another_line(name: str, value: str):
    assert LINE.fullmatch(header_line(f"x-{name}", value))


@given(st.text(alphabet=st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_printable_text_is_left_as_it_is(value: str):
    assert header_text(value) == value


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a\r\nb: c", "a%0D%0Ab: c"), ("é", "%C3%A9"), ("☃", "%E2%98%83"), ("\0", "%00"), ("\t", "%09"), ("\x7f", "%7F")],
)
def test_everything_else_is_percent_encoded(value: str, shown: str):
    assert header_text(value) == shown


@pytest.mark.parametrize("strategy", ["model-based", "weighted", "priority"])
@given(model=hostile, fallback=st.booleans(), success=st.booleans())
def test_a_models_name_cannot_break_the_routing_lines(strategy: str, model: str, fallback: bool, success: bool):
    block = RoutingHeaders(strategy).lines("openai", model, fallback=fallback, success=success)
    *lines, rest = block.split(b"\r\n")
    assert rest == b""
    assert all(re.fullmatch(rb"x-llm-proxy-[a-z-]+: [\x20-\x7e]*", line) for line in lines)


def test_the_routing_lines_say_how_a_call_was_routed():
    block = RoutingHeaders("model-based").lines("openai", "gpt-5", fallback=True, success=True).decode()
    assert dict(line.split(": ", 1) for line in block.removesuffix("\r\n").split("\r\n")) == {
        "x-llm-proxy-routing-type": "ModelBased",
        "x-llm-proxy-routing-fallback": "true",
        "x-llm-proxy-llm-provider": "openai",
        "x-llm-proxy-llm-model": "gpt-5",
        "x-llm-proxy-model-based-routing-success": ("Request fell back to gpt-5 (Provider: openai, Model: gpt-5)."),
        "x-llm-proxy-request-success": "Request completed successfully. Provider: openai, Model: gpt-5.",
    }


def test_routing_lines_do_not_pile_up_with_the_names_callers_invent():
    headers = RoutingHeaders("weighted")
    for number in range(10_000):
        headers.lines("openai", f"invented-{number}", fallback=False, success=True)
    assert len(headers._cache) <= 4096


def test_of_a_providers_headers_only_those_callers_need_pass():
    headers = {
        b"x-request-id": b"1",
        b"x-ratelimit-remaining-tokens": b"2",
        b"anthropic-ratelimit-requests-limit": b"3",
        b"retry-after": b"4",
        b"set-cookie": b"secret",
        b"server": b"nginx",
        b"content-length": b"5",
        b"openai-organization": b"our-own",
        b"strict-transport-security": b"x",
    }
    lines = [b"date: now\r\n"]
    PassedHeaders().add(lines, headers)
    assert lines == [
        b"date: now\r\n",
        b"x-request-id: 1\r\n",
        b"x-ratelimit-remaining-tokens: 2\r\n",
        b"anthropic-ratelimit-requests-limit: 3\r\n",
        b"retry-after: 4\r\n",
    ]


def test_what_is_remembered_of_header_names_is_bounded():
    passed = PassedHeaders()
    for number in range(10_000):
        passed.add([], {b"x-invented-%d" % number: b"y"})
    lines: list[bytes] = []
    passed.add(lines, {b"x-request-id": b"1"})
    assert lines == [b"x-request-id: 1\r\n"]
    assert len(passed._known) <= 4096
