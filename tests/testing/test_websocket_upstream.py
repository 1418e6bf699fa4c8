"""The scripted WebSocket upstream does what it is told, to a client that is not ours."""

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tollway.testing.websocket_upstream import Peer, Refusal, SocketScript, WebSocketUpstream


async def connect(upstream: WebSocketUpstream) -> ClientConnection:
    return await websockets.connect(f"ws://127.0.0.1:{upstream.port}/a?b=c", proxy=None)


async def test_it_sends_what_the_script_says_and_remembers_what_came() -> None:
    async def script(peer: Peer) -> None:
        await peer.send({"hello": 1})
        assert await peer.receive_object() == {"back": 2}
        await peer.ping()
        await peer.send(b"\x00", text=False)
        await peer.close(4001, "enough")

    async with WebSocketUpstream(script) as upstream:
        client = await connect(upstream)
        assert await client.recv() == '{"hello":1}'
        await client.send('{"back":2}')
        assert await client.recv() == b"\x00"
        await client.wait_closed()
        assert (client.close_code, client.close_reason) == (4001, "enough")
        (peer,) = upstream.peers
        assert (peer.method, peer.target, [message.data for message in peer.messages]) == (
            "GET",
            "/a?b=c",
            [b'{"back":2}'],
        )
        assert await peer.ended.reached()


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_is_no_close(reset: bool) -> None:
    async def script(peer: Peer) -> None:
        peer.cut(reset=reset)

    async with WebSocketUpstream(script) as upstream:
        client = await connect(upstream)
        await client.wait_closed()
        assert client.close_code == 1006


async def test_bytes_past_all_framing_are_garbage_to_the_client() -> None:
    async def script(peer: Peer) -> None:
        await peer.raw(b"\xff\xff\xff")
        await peer.until_closed()

    async with WebSocketUpstream(script) as upstream:
        client = await connect(upstream)
        await client.wait_closed()
        assert upstream.peers[0].closed is not None
        assert upstream.peers[0].closed.code == 1002


async def test_a_handshake_is_refused_once_for_each_refusal() -> None:
    async def script(peer: Peer) -> None:
        await peer.until_closed()

    async with WebSocketUpstream(script) as upstream:
        upstream.refusals.append(Refusal(503, b'{"error":"no"}'))
        with pytest.raises(websockets.InvalidStatus) as caught:
            await connect(upstream)
        assert (caught.value.response.status_code, caught.value.response.body) == (503, b'{"error":"no"}')
        await (await connect(upstream)).close()


async def _fails(peer: Peer) -> None:
    await peer.receive()
    raise AssertionError("not what was expected")


async def _leaves(peer: Peer) -> None:
    await peer.receive()


async def _run(script: SocketScript) -> None:
    async with WebSocketUpstream(script) as upstream:
        client = await connect(upstream)
        await client.send("x")
        await client.wait_closed()


async def test_what_a_script_fails_with_fails_its_test_and_a_client_that_leaves_does_not() -> None:
    with pytest.raises(AssertionError, match="not what was expected"):
        await _run(_fails)
    async with WebSocketUpstream(_leaves) as upstream:
        await (await connect(upstream)).close()


def test_it_serves_on_a_thread_as_well() -> None:
    from websockets.sync.client import connect as connect_now  # noqa: PLC0415 - the blocking client is for this one

    async def script(peer: Peer) -> None:
        await peer.send("hi")
        await peer.until_closed()

    with WebSocketUpstream(script) as upstream, connect_now(f"ws://127.0.0.1:{upstream.port}", proxy=None) as client:
        assert client.recv() == "hi"
