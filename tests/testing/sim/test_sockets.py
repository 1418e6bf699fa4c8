"""Connections of the simulator that become WebSockets, and how they break when told to."""

import msgspec
import pytest
import websockets
from websockets.sync.client import ClientConnection, connect

from tollway.testing.sim.app import RunningSim

KEY = {"authorization": "Bearer any"}


def opened(sim: RunningSim, model: str) -> ClientConnection:
    url = f"{sim.url.replace('http', 'ws')}/openai/v1/realtime?model={model}"
    return connect(url, additional_headers=KEY, proxy=None)


def asked(client: ClientConnection) -> list[str]:
    """Ask for a response; give the types of what comes until the connection breaks or the response ends."""
    client.recv()
    client.send('{"type":"response.create"}')
    kinds: list[str] = []
    while "response.done" not in kinds:
        kinds.append(msgspec.json.decode(client.recv(timeout=5))["type"])
    return kinds


def test_a_whole_answer_is_whole(sim: RunningSim) -> None:
    with opened(sim, "sim") as client:
        kinds = asked(client)
        assert (kinds[0], kinds[-2:]) == ("response.created", ["response.output_text.done", "response.done"])


@pytest.mark.parametrize("model", ["sim-cut-2", "sim-reset"])
def test_a_cut_is_no_close(sim: RunningSim, model: str) -> None:
    with opened(sim, model) as client, pytest.raises(websockets.ConnectionClosedError):
        asked(client)


def test_garble_is_no_json(sim: RunningSim) -> None:
    with opened(sim, "sim-garble") as client, pytest.raises(msgspec.DecodeError):
        asked(client)


def test_a_stall_says_no_more(sim: RunningSim) -> None:
    with opened(sim, "sim-stall-1") as client:
        client.recv()
        client.send('{"type":"response.create"}')
        client.recv(timeout=5)
        with pytest.raises(TimeoutError):
            client.recv(timeout=0.1)


def test_a_status_refuses_the_handshake(sim: RunningSim) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        opened(sim, "sim-503")
    assert caught.value.response.status_code == 503


def test_a_client_that_breaks_the_protocol_is_closed(sim: RunningSim) -> None:
    with opened(sim, "sim") as client:
        client.recv()
        client.socket.sendall(b"\x81\x01x")
        with pytest.raises(websockets.ConnectionClosedError) as caught:
            client.recv(timeout=5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1002
