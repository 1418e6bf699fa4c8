"""Messages and their framing."""

import pytest

from tollway.testing.http_messages import Request, chunk, head, reason_of


def request(target="/a%20b?x=1&y=?", headers=()):
    return Request(
        method="GET", target=target, headers=list(headers), connection=1, keep_alive=True, http_version="1.1"
    )


def test_path_and_query_are_split_at_the_first_question_mark_and_left_as_sent():
    assert (request().path, request().query) == ("/a%20b", "x=1&y=?")
    assert (request("/plain").path, request("/plain").query) == ("/plain", "")


def test_a_header_is_found_in_any_case_and_the_first_one_counts():
    asked = request(headers=[("X-Key", "first"), ("x-key", "second")])
    assert (asked.header("x-key"), asked.header("other")) == ("first", None)


def test_a_head_is_written_as_given():
    assert head(200, [("A", "1"), ("b", "2")]) == b"HTTP/1.1 200 OK\r\nA: 1\r\nb: 2\r\n\r\n"
    assert head(529, [], reason="Overloaded") == b"HTTP/1.1 529 Overloaded\r\n\r\n"


@pytest.mark.parametrize(("status", "reason"), [(429, "Too Many Requests"), (529, "Unregistered")])
def test_every_status_has_a_reason(status, reason):
    assert reason_of(status) == reason


def test_a_chunk_says_its_length_in_hexadecimal_and_no_data_makes_no_chunk():
    assert chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert chunk(b"") == b""
