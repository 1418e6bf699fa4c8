"""What policies say of the responses of a session, and what is recorded of each."""

from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.core.usage import Usage
from tollway.interfaces.policy import ResponseEvent
from tollway.snapshot.document import PolicyUse
from tollway.testing.websocket_upstream import Peer, WebSocketUpstream

from .serving import policy, proxy, serving, soon
from .sessions import ASK, USED, Gatekeeper, answering, begun, connect, delta, done, refused, routed, then


async def test_a_record_is_kept_before_the_event_that_ends_its_response_passes() -> None:
    async with (
        WebSocketUpstream(then(..., begun(), done())) as upstream,
        serving(proxy(routed(upstream))) as served,
        await connect(served) as caller,
    ):
        await caller.send(ASK)
        while (await caller.event())["type"] != "response.done":
            pass
        assert [record.usage for record in served.records] == [USED]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
async def test_a_response_that_is_refused_is_told_in_an_event_and_never_asked_for(waits: bool) -> None:
    keeper = Gatekeeper(1, waits=waits)
    async with WebSocketUpstream(answering) as upstream:
        async with serving(proxy(routed(upstream), policies=(keeper.use,))) as served:
            async with await connect(served) as caller:
                await caller.event()
                await caller.send(ASK)
                await caller.send({**ASK, "event_id": "mine"})
                await caller.send({"type": "input_audio_buffer.clear"})
                events = [await caller.event() for _ in range(4)]
                (error,) = (event for event in events if event["type"] == "error")
                assert "response.done" in [event["type"] for event in events]
                assert (error["error"]["code"], error["error"]["event_id"]) == ("rate_limit_exceeded", "mine")
                await soon(lambda: len(upstream.peers[0].messages) == 2)
            await soon(lambda: len(served.records) >= 2)
        sent = [msgspec.json.decode(message.data)["type"] for message in upstream.peers[0].messages]
        assert sent == ["response.create", "input_audio_buffer.clear"]
        assert sorted(keeper.ended) == ["ok", "ok", "refused"]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
async def test_a_response_that_the_provider_began_by_itself_and_is_refused_is_stopped_unseen(waits: bool) -> None:
    keeper = Gatekeeper(0, waits=waits)

    async def hears(peer: Peer) -> None:
        await peer.send(begun())
        await peer.send(delta("leaks"))
        event = await peer.receive_object()
        assert event == {"type": "response.cancel", "response_id": "resp_1"}
        await peer.send(delta("leaks too"))
        await peer.send(done(status="cancelled"))

    async with WebSocketUpstream(then(..., hears)) as upstream:
        async with serving(proxy(routed(upstream), policies=(keeper.use,))) as served, await connect(served) as caller:
            await caller.send({"type": "input_audio_buffer.append", "audio": "AAAA"})
            assert await caller.kinds(4) == ["session.created", "response.created", "error", "response.done"]
            (record,) = served.records
        assert (record.outcome, record.error, record.usage) == ("cancelled", "rate_limit_exceeded", USED)


async def test_events_pass_the_event_policies() -> None:
    def look(exchange: Any, event: ResponseEvent) -> Any:
        if b"secret" in event.data:
            return PolicyRefusal("it said the word")
        if event.event == b"response.output_text.delta":
            return ResponseEvent(event.data.replace(b"yes", b"YES"))
        return None if event.event == b"rate_limits.updated" else event

    looks = policy(event=look)
    said = then(..., begun(), delta(), {"type": "rate_limits.updated"}, delta("secret"), ..., done(status="cancelled"))
    async with WebSocketUpstream(said) as upstream, serving(proxy(routed(upstream), policies=(looks,))) as served:
        async with await connect(served) as caller:
            await caller.send(ASK)
            assert await caller.kinds(2) == ["session.created", "response.created"]
            assert (await caller.event())["delta"] == "YES"
            assert await caller.kinds(2) == ["error", "response.done"]
        assert msgspec.json.decode(upstream.peers[0].messages[1].data)["type"] == "response.cancel"


async def test_token_limits_are_settled_after_each_response() -> None:
    config = {"keySelector": "#['all']", "maximumTokens": 50, "timePeriodInMilliseconds": 3_600_000}
    limit = PolicyUse(name="limit", policy="llm-token-rate-limit", config=config)
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream), policies=(limit,))) as served:
        async with await connect(served) as caller:
            await caller.event()
            for _ in range(2):  # 0 of 50 used, then 30 of 50
                await caller.send(ASK)
                assert (await caller.kinds(3))[2] == "response.done"
            await caller.send(ASK)
            error = (await caller.event())["error"]
            assert error["code"] == "rate_limit_exceeded"
            assert "60 of 50" in error["message"]
        status, _ = await refused(served)
        assert status == 429


async def test_what_a_transcription_uses_beside_the_responses_is_counted_by_its_own_model() -> None:
    session = {"type": "realtime", "audio": {"input": {"transcription": {"model": "scribe"}}}}
    heard = {
        "type": "conversation.item.input_audio_transcription.completed",
        "transcript": "hi",
        "usage": {"type": "tokens", "input_tokens": 8, "output_tokens": 3, "total_tokens": 11},
    }
    script = then({"type": "session.updated", "session": session}, heard)
    async with (
        WebSocketUpstream(script) as upstream,
        serving(proxy(routed(upstream))) as served,
        await connect(served) as caller,
    ):
        await caller.kinds(3)
        (record,) = served.records
    assert (record.served_model, record.usage) == ("scribe", Usage(input_fresh=8, output_text=3))


async def test_a_refusal_of_the_provider_ends_the_response_it_is_about() -> None:
    async def no(peer: Peer) -> None:
        asked = await peer.receive_object()
        error = {"type": "invalid_request_error", "code": "busy", "message": "no", "event_id": asked["event_id"]}
        await peer.send({"type": "error", "event_id": "e", "error": error})

    async with (
        WebSocketUpstream(then(no)) as upstream,
        serving(proxy(routed(upstream))) as served,
        await connect(served) as caller,
    ):
        await caller.send(ASK)
        assert await caller.kinds(2) == ["session.created", "error"]
        (record,) = served.records
        assert (record.outcome, record.error, record.usage.source) == ("error", "busy", "none")


async def test_while_records_cannot_be_kept_nothing_is_asked_for() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        async with await connect(served) as caller:
            await caller.event()
            served.worker.spool_broken = True
            await caller.send(ASK)
            assert (await caller.event())["error"]["code"] == "not_ready"
            assert (await refused(served))[0] == 503
            served.worker.spool_broken = False
        assert upstream.peers[0].messages == []
