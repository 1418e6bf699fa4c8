import asyncio
from collections.abc import Callable, Sequence

from tollway.gateway.outbox import Outbox
from tollway.interfaces.usage_record import UsageRecord
from tollway.testing.usage_records import usage_records


class Peer(asyncio.Transport):
    """A transport that notes what was written, in a journal it shares with others."""

    def __init__(self, name: str, journal: list[object]) -> None:
        super().__init__()
        self._name = name
        self._journal = journal
        self.closing = False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._journal.append((self._name, bytes(data)))


class Turn:
    """A turn of an event loop, ended by hand."""

    def __init__(self) -> None:
        self.journal: list[object] = []
        self._soon: list[Callable[[], None]] = []
        self.outbox = Outbox(self._soon.append, self._keep)

    def _keep(self, records: Sequence[UsageRecord]) -> None:
        self.journal.append(list(records))

    def peer(self, name: str) -> Peer:
        return Peer(name, self.journal)

    def over(self) -> None:
        soon, self._soon[:] = list(self._soon), []
        for leave in soon:
            leave()


def test_nothing_leaves_before_the_turn_is_over() -> None:
    turn = Turn()
    turn.outbox.write(turn.peer("a"), b"1")
    assert turn.journal == []
    turn.over()
    assert turn.journal == [("a", b"1")]


def test_records_are_kept_together_and_before_any_byte_leaves() -> None:
    turn = Turn()
    first, second = usage_records(2)
    turn.outbox.write(turn.peer("a"), b"1")
    turn.outbox.keep(first)
    turn.outbox.write(turn.peer("b"), b"2")
    turn.outbox.keep(second)
    turn.over()
    assert turn.journal == [[first, second], ("a", b"1"), ("b", b"2")]


def test_bytes_keep_their_order() -> None:
    turn = Turn()
    one, other = turn.peer("a"), turn.peer("b")
    for number in range(4):
        turn.outbox.write(one if number % 2 else other, b"%d" % number)
    turn.over()
    assert turn.journal == [("b", b"0"), ("a", b"1"), ("b", b"2"), ("a", b"3")]


def test_what_was_flushed_does_not_leave_again() -> None:
    turn = Turn()
    (record,) = usage_records(1)
    turn.outbox.keep(record)
    turn.outbox.write(turn.peer("a"), b"1")
    turn.outbox.flush()
    left = list(turn.journal)
    turn.over()
    assert turn.journal == left == [[record], ("a", b"1")]


def test_every_turn_sends_its_own() -> None:
    turn = Turn()
    peer = turn.peer("a")
    turn.outbox.write(peer, b"1")
    turn.over()
    turn.outbox.write(peer, b"2")
    turn.over()
    assert turn.journal == [("a", b"1"), ("a", b"2")]


def test_a_transport_that_closed_meanwhile_is_left_alone() -> None:
    turn = Turn()
    gone = turn.peer("a")
    turn.outbox.write(gone, b"1")
    turn.outbox.write(turn.peer("b"), b"2")
    gone.closing = True
    turn.over()
    assert turn.journal == [("b", b"2")]


def test_a_turn_that_writes_very_much_does_not_wait_for_its_end() -> None:
    turn = Turn()
    peer = turn.peer("a")
    for _ in range(1_025):
        turn.outbox.write(peer, b"x")
    assert len(turn.journal) == 1_025
    turn.over()
    assert len(turn.journal) == 1_025


def test_what_a_flush_sets_off_leaves_too() -> None:
    turn = Turn()
    second = turn.peer("b")

    class Answering(Peer):
        def write(self, data: bytes | bytearray | memoryview) -> None:
            super().write(data)
            turn.outbox.write(second, b"set off")

    turn.outbox.write(Answering("a", turn.journal), b"1")
    turn.over()
    turn.over()
    assert turn.journal == [("a", b"1"), ("b", b"set off")]
