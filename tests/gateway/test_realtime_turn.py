"""A response as policies see it."""

from tollway.core.ids import RequestedModel
from tollway.gateway.call import Call
from tollway.gateway.clock import SystemClock
from tollway.gateway.realtime_turn import NOT_ASKED, Turn
from tollway.gateway.request import Request
from tollway.interfaces.realtime import ClientEvent


def turn(message: bytes = b"", event: ClientEvent = NOT_ASKED, tokens: int = 0) -> Turn:
    clock = SystemClock()
    request = Request(b"GET", b"/p/v1/realtime?model=m", "192.0.2.1", {b"client_id": b"c", b"x-correlation-id": b"c-1"})
    session = Call(request, clock)
    session.correlate()
    session.requested_model = RequestedModel("m")
    return Turn(session, request, clock, message=message, event=event, tokens=tokens)


def test_it_is_the_sessions_request_with_the_message_that_asks_for_it() -> None:
    one = turn(b'{"type":"response.create"}')
    assert (one.request_path, one.header("client_id"), one.requested_model) == ("/p/v1/realtime", "c", "m")
    assert one.operation == "realtime_response"
    assert (one.correlation_id, one.stream, one.client_address) == ("c-1", True, "192.0.2.1")
    assert (one.body, one.payload()) == (b'{"type":"response.create"}', {"type": "response.create"})


def test_it_is_guessed_by_all_of_the_conversation_and_never_below_one() -> None:
    assert turn(tokens=900).estimated_input_tokens() == 900
    assert turn().estimated_input_tokens() == 1
    assert turn(event=ClientEvent(asks=True, max_output_tokens=7)).requested_output_tokens() == 7
    assert turn().requested_output_tokens() is None
