"""One attempt: its deadlines, and answers that are not what an API promises."""

import asyncio
import gzip
from typing import Any

import msgspec
import pytest

from tollway.snapshot.document import Retries, Route, Timeouts
from tollway.testing import script
from tollway.testing.script import Cut, Hang, Pause, Send
from tollway.testing.upstream import ScriptedUpstream

from .serving import CHAT, EVENTS, OK, SHOWN, STREAM, TEXTS, Served, in_time, proxy, route, serving, soon

PRODUCTION_LOOP = True


def patient(up: ScriptedUpstream, **seconds: float) -> Route:
    return route(up, timeouts=Timeouts(**{f"{name}_seconds": value for name, value in seconds.items()}))


async def asked(served: Served, *, streamed: bool = False) -> Any:
    return await in_time(served.ask(body={**CHAT, "stream": streamed}))


NO_REPEATS: dict[str, Any] = {"retries": Retries(attempts=0)}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("seconds", "code"),
    [({"first_byte": 0.2}, "first_byte_timeout"), ({"total": 0.2}, "total_timeout")],
    ids=["first byte", "total"],
)
async def test_an_upstream_that_says_nothing_is_given_up(seconds: Any, code: str, streamed: bool) -> None:
    async with ScriptedUpstream() as up, serving(proxy(patient(up, **seconds), **NO_REPEATS)) as served:
        up.on(msgspec.structs.replace(OK, before=[Hang()]))
        answer = await asked(served, streamed=streamed)
        assert (answer.status, served.record.error, served.record.outcome) == (504, code, "timeout")
        assert await up.requests[0].client_left.reached()


async def test_a_stream_whose_head_came_but_no_event_is_given_up_with_a_status() -> None:
    async with ScriptedUpstream() as up, serving(proxy(patient(up, first_byte=0.2), **NO_REPEATS)) as served:
        up.on(script.sse([Hang()]))
        answer = await asked(served, streamed=True)
        assert (answer.status, served.record.error) == (504, "first_byte_timeout")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [({"between_events": 0.2}, "event_timeout"), ({"total": 0.3}, "total_timeout")],
    ids=["between events", "total"],
)
async def test_a_stream_that_pauses_too_long_ends_with_an_error_event(seconds: Any, code: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(patient(up, **seconds))) as served:
        up.on(script.sse([TEXTS[0], Hang()]))
        answer = await asked(served, streamed=True)
        assert (answer.status, answer.whole) == (200, True)
        assert answer.body.startswith(TEXTS[0].encode())
        assert code.encode() in answer.body
        assert (served.record.outcome, served.record.error) == ("timeout", code)
        assert await up.requests[0].client_left.reached()


async def test_a_whole_answer_that_pauses_too_long_is_given_up() -> None:
    async with ScriptedUpstream() as up, serving(proxy(patient(up, between_events=0.2), **NO_REPEATS)) as served:
        up.on(script.cut_after(OK, 10))
        up.forget()
        up.on(msgspec.structs.replace(OK, acts=[Send(OK.body[:10]), Hang()], content_length=len(OK.body)))
        answer = await asked(served)
        assert (answer.status, served.record.error) == (504, "event_timeout")


async def test_a_slow_stream_that_keeps_coming_is_not_given_up() -> None:
    async with ScriptedUpstream() as up, serving(proxy(patient(up, between_events=0.4, first_byte=0.4))) as served:
        up.on(script.sse(EVENTS, pause=0.12))
        answer = await asked(served, streamed=True)
        assert (answer.body.decode(), answer.whole) == (SHOWN, True)


# --- connections that were kept


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("after", ["close_on_next", "reset_on_next"])
async def test_a_kept_connection_that_was_closed_costs_no_attempt(after: script.After, streamed: bool) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(msgspec.structs.replace(OK, after=after), STREAM if streamed else OK)
        assert (await asked(served)).status == 200
        answer = await asked(served, streamed=streamed)
        assert (answer.status, answer.whole) == (200, True)
        assert [record.outcome for record in served.records] == ["ok", "ok"]
        assert up.connections_accepted == 2


async def test_a_new_connection_that_is_closed_at_once_is_not_tried_again_unasked() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.greeting = "close"
        assert (await asked(served)).status == 502
        assert up.connections_accepted == 1


# --- answers that break


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("count", [0, 1, 50])
async def test_a_whole_answer_that_breaks_is_no_answer(count: int, reset: bool) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.cut_after(OK, count, reset=reset))
        answer = await asked(served)
        assert answer.status == 502
        assert served.record.error in {"upstream_cut", "upstream_unreachable"}


@pytest.mark.parametrize("count", [1, 100, len(TEXTS[0]), len(TEXTS[0]) + 1, 300])
async def test_a_stream_cut_anywhere_shows_whole_events_and_then_the_error(count: int) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.cut_after(STREAM, count))
        answer = await asked(served, streamed=True)
        assert answer.whole
        if answer.status == 502:
            assert count < len(TEXTS[0])
            return
        *events, error, rest = answer.body.decode().split("\n\n")
        assert SHOWN.startswith("".join(f"{event}\n\n" for event in events))
        assert ("upstream_cut" in error, rest) == (True, "")
        assert served.record.outcome == "cut"


async def test_a_stream_that_ends_without_its_last_event_is_cut() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.sse(TEXTS))
        answer = await asked(served, streamed=True)
        assert b"before the answer was complete" in answer.body
        assert served.record.outcome == "cut"


async def test_a_stream_that_breaks_after_its_last_event_is_whole() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.sse([*EVENTS, Pause(0.02), Cut(reset=True)]))
        answer = await asked(served, streamed=True)
        assert (answer.body.decode(), answer.whole, served.record.outcome) == (SHOWN, True, "ok")


@pytest.mark.parametrize(
    "answer",
    [
        script.reply(json={"object": "chat.completion"}),
        script.reply(204),
        script.reply(304),
        script.reply(302, headers=[("location", "/")]),
    ],
    ids=["no stream", "204", "304", "302"],
)
async def test_an_answer_that_is_no_stream_is_an_error_where_a_stream_was_asked_for(answer: script.Answer) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(answer)
        found = await asked(served, streamed=True)
        assert (found.status, served.record.error) == (502, "upstream_garbled")


async def test_an_error_where_a_stream_was_asked_for_is_told_as_one() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.failure(422))
        assert (await asked(served, streamed=True)).status == 422


# --- sizes and codings


async def test_an_error_of_any_size_is_not_held() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.reply(400, body=b"x" * 1_100_000))
        answer = await asked(served)
        assert (answer.status, served.record.error) == (502, "upstream_garbled")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_is_compressed_all_the_same_is_read(streamed: bool) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(msgspec.structs.replace(STREAM if streamed else OK, gzipped=True))
        answer = await asked(served, streamed=streamed)
        assert (answer.status, answer.body) == (200, SHOWN.encode() if streamed else OK.body)
        assert "content-encoding" not in answer.headers
        assert served.record.usage.total_tokens == 50


@pytest.mark.parametrize(
    ("coding", "body"),
    [("br", b"x"), ("gzip", b"not gzip"), ("gzip", gzip.compress(b"x" * 50)[:-12]), ("nonsense", b"x")],
    ids=["unknown", "not it", "cut", "nonsense"],
)
async def test_an_answer_that_cannot_be_unpacked_is_garbled(coding: str, body: bytes) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.reply(body=body, headers=[("content-encoding", coding)]))
        answer = await asked(served)
        assert answer.status == 502
        assert served.record.error in {"upstream_garbled", "upstream_cut"}


# --- pace


async def test_a_caller_that_reads_slowly_slows_the_upstream_and_not_the_gateways_memory() -> None:
    piece = TEXTS[0].replace("one", "x" * 16_000)
    async with ScriptedUpstream() as up, serving(proxy(patient(up, between_events=0.3))) as served:
        up.on(script.sse([*[piece] * 3000, *EVENTS]))
        call = await served.send(body={**CHAT, "stream": True})
        await in_time(call.until("data:"))
        await soon(lambda: bool(up.requests))
        await asyncio.sleep(0.7)  # longer than the upstream may pause: waiting for the caller is no pause
        assert not up.requests[0].answered.is_set()
        answer = await in_time(call.rest())
        assert answer.whole
        assert answer.body.count(b"x" * 16_000) == 3000
        assert served.record.outcome == "ok"
