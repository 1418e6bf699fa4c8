"""The caller's side of an exchange: who answers for the one that is being made."""

from tollway.gateway.downstream import NOBODY, DownstreamHandler
from tollway.gateway.http1 import Http1Connection
from tollway.gateway.request import Request

from .listener import Owner
from .transport import FakeTransport


class LeavesAtOnce(Owner):
    """Its caller falls behind, catches up and is gone while the exchange is being made."""

    def serve(self, request: Request, downstream: object) -> DownstreamHandler | None:
        assert isinstance(downstream, Http1Connection)
        assert downstream.handler is NOBODY
        downstream.pause_writing()
        downstream.resume_writing()
        downstream.connection_lost(ConnectionResetError())
        return super().serve(request, downstream)


async def test_what_happens_while_an_exchange_is_being_made_is_heard_by_nobody():
    owner = LeavesAtOnce()
    transport = FakeTransport(Http1Connection(owner))
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    assert owner.held[0].heard == []
    owner.held[0].answer()
    assert transport.received == b""
