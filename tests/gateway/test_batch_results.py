"""Lines are shown whole whatever the cuts; bytes pass as they come; one line has one id."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway import batch_results
from tollway.gateway.batch_results import ResultsRelay, line_id
from tollway.interfaces.passed import BatchLine


def run(pieces: list[bytes]) -> tuple[list[bytes], list[int]]:
    seen: list[bytes] = []
    done: list[int] = []
    relay = ResultsRelay(seen.append, done.append)
    assert b"".join(relay.feed(piece) for piece in pieces) == b"".join(pieces)
    assert (relay.ended, done) == (False, [])
    assert relay.close() == b""
    assert relay.ended
    return seen, done


@given(st.lists(st.binary(min_size=1, max_size=8).map(lambda one: one.replace(b"\n", b"x")), max_size=6), st.data())
def test_any_cut_shows_the_same_lines(lines: list[bytes], data: st.DataObject) -> None:
    whole = b"\n".join(lines)
    at = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *at], [*at, len(whole)], strict=True)]
    assert run(pieces) == ([line for line in lines if line.strip()], [0])


def test_empty_lines_are_none() -> None:
    assert run([b"\n\na\n \n\nb\n"]) == ([b"a", b"b"], [0])


@pytest.mark.parametrize("size", [1, 5, 64])
def test_a_line_that_is_too_large_is_not_held_and_is_counted(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(batch_results, "_LARGEST_LINE", 20)
    whole = b"a\n" + b"x" * 50 + b"\nb\n"
    seen, done = run([whole[at : at + size] for at in range(0, len(whole), size)])
    assert (seen[0], seen[-1]) == (b"a", b"b")
    assert (len(seen), done) == ((2, [1]) if size < 50 else (3, [0]))


def test_an_id_is_that_of_place_batch_and_name() -> None:
    ids = {
        line_id(place, batch, BatchLine(custom_id=name, status=200))
        for place in ("p", "q")
        for batch in ("b", "c")
        for name in ("x", "y", "\ud800")
    }
    assert len(ids) == 12
    assert line_id("p", "b", BatchLine(custom_id="x", status=200)) == line_id(
        "p", "b", BatchLine(custom_id="x", status=500)
    )
