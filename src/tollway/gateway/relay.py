"""Streams on their way to the caller: passed through unread, or translated event by event.

Rules of this file:
- `feed` takes what came from upstream and gives what the caller gets, at once; nothing is kept
  back but the beginning of an event whose end has not come. So a stream that breaks does so between
  two events, and the error event that follows can be read.
- No event is parsed on the passed-through path.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from tollway.core.answer import AnswerEnded, AnswerStarted, ChoiceFinished, StreamEvent, StreamFailed, UsageReported
from tollway.core.errors import TollwayError, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.interfaces.dialect import AnswerFacts, KeepableRenderer, StreamParser, StreamRenderer, StreamWatch
from tollway.interfaces.framing import Unwrapper
from tollway.interfaces.policy import ResponseEvent
from tollway.wire.framing import SSE, FramedEvent, Framing
from tollway.wire.json_array import JsonArrayFramer

_MAX_HELD_BYTES: Final = 262_144
"""An event larger than this (a picture, say) passes in pieces."""


class Relay(Protocol):
    """One stream on its way."""

    def feed(self, data: bytes) -> bytes:
        """Take upstream's bytes, give the caller's."""
        ...

    def close(self) -> bytes:
        """Upstream closed in an orderly way: give what was kept back."""
        ...

    def fail(self, error: TollwayError) -> bytes:
        """Give the event that tells the caller of an error, in its own dialect."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the API's own end of stream was seen."""
        ...

    @property
    def failed(self) -> bool:
        """Whether upstream reported an error inside the stream."""
        ...

    def facts(self) -> AnswerFacts:
        """What was learnt for the meter."""
        ...


class PassthroughRelay:
    """Same dialect on both sides: bytes pass."""

    __slots__ = ("_boundary", "_closing", "_held", "_render_error", "_watch")

    def __init__(
        self, watch: StreamWatch, render_error: Callable[[TollwayError], bytes], framing: Framing = SSE
    ) -> None:
        """Pass bytes by `watch`; `render_error` writes this dialect's error event."""
        self._watch = watch
        self._render_error = render_error
        self._boundary = framing.boundary()
        self._closing = framing.closing
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Pass all whole events.

        Raises:
            UpstreamGarbled: the bytes are not framed as they should be.
        """
        if self._held:
            data = self._held + data
            self._held = b""
        closing = self._closing
        if not closing or not data.endswith(closing):
            try:
                end = self._boundary.whole(data)
                if end < len(data):
                    if len(data) - end <= _MAX_HELD_BYTES:
                        self._held = data[end:]
                        if end == 0:
                            return b""
                        data = data[:end]
                    else:
                        self._boundary.passed(data[end:])
            except ValueError as error:
                raise UpstreamGarbled(str(error)) from error
        return self._watch.feed(data)

    def close(self) -> bytes:
        """Pass a last event whose end never came, where it can be ended."""
        held, self._held = self._held, b""
        return self._watch.feed(held + self._closing) if self._closing and held.strip() else b""

    def fail(self, error: TollwayError) -> bytes:
        """Write the error event; half an event that was kept back is dropped."""
        self._held = b""
        return self._render_error(error)

    @property
    def ended(self) -> bool:
        """Whether the watch saw the end."""
        return self._watch.ended

    @property
    def failed(self) -> bool:
        """Whether the watch saw an error."""
        return self._watch.failed

    def facts(self) -> AnswerFacts:
        """What the watch found."""
        return self._watch.facts()


class UnwrappingRelay:
    """Takes a dialect's own stream out of a provider's envelopes, for a relay that knows the dialect."""

    __slots__ = ("_inner", "_render_error", "_unwrapper")

    def __init__(self, inner: Relay, unwrapper: Unwrapper, render_error: Callable[[TollwayError], bytes]) -> None:
        """Feed `inner` what `unwrapper` gives; `render_error` writes errors as the dialect's own stream has them."""
        self._inner = inner
        self._unwrapper = unwrapper
        self._render_error = render_error

    def feed(self, data: bytes) -> bytes:
        """Open the envelopes these bytes complete.

        Raises:
            UpstreamGarbled: they are none.
        """
        try:
            pieces = self._unwrapper.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        if not pieces:
            return b""
        return self._inner.feed(
            b"".join(piece if isinstance(piece, bytes) else self._render_error(piece) for piece in pieces)
        )

    def close(self) -> bytes:
        """As the inner relay."""
        return self._inner.close()

    def fail(self, error: TollwayError) -> bytes:
        """As the inner relay."""
        return self._inner.fail(error)

    @property
    def ended(self) -> bool:
        """As the inner relay."""
        return self._inner.ended

    @property
    def failed(self) -> bool:
        """As the inner relay."""
        return self._inner.failed

    def facts(self) -> AnswerFacts:
        """As the inner relay."""
        return self._inner.facts()


class FileRelay:
    """An answer that is a file: its bytes pass as they come, and only the connection tells its end."""

    __slots__ = ("_facts", "ended")

    def __init__(self, facts: AnswerFacts) -> None:
        """Pass bytes; `facts` are what the request tells of them."""
        self._facts = facts
        self.ended = False

    def feed(self, data: bytes) -> bytes:
        """Pass them."""
        return data

    def close(self) -> bytes:
        """The file is whole."""
        self.ended = True
        return b""

    def fail(self, error: TollwayError) -> bytes:
        """Nothing can be said inside a file: whoever sends it on breaks it off."""
        del error
        return b""

    @property
    def failed(self) -> bool:
        """No file says so."""
        return False

    def facts(self) -> AnswerFacts:
        """What the request told."""
        return self._facts


class TranslatingRelay:
    """Another dialect on each side: parsed, and written again."""

    __slots__ = ("_failed", "_finish", "_parser", "_renderer", "_started", "_usage", "ended_seen")

    def __init__(self, parser: StreamParser, renderer: StreamRenderer) -> None:
        """Read with `parser`, write with `renderer`."""
        self._parser = parser
        self._renderer = renderer
        self._usage: Usage | None = None
        self._started: AnswerStarted | None = None
        self._finish = ""
        self._failed = False
        self.ended_seen = False

    def feed(self, data: bytes) -> bytes:
        """Translate the events these bytes complete."""
        return self._translate(self._parser.feed(data))

    def close(self) -> bytes:
        """Translate what the end of the connection completes."""
        return self._translate(self._parser.close())

    def fail(self, error: TollwayError) -> bytes:
        """Write the error in the caller's dialect."""
        return self._renderer.fail(error)

    @property
    def ended(self) -> bool:
        """Whether the provider ended its answer as its API promises."""
        return self.ended_seen

    @property
    def failed(self) -> bool:
        """Whether the provider reported an error."""
        return self._failed

    def facts(self) -> AnswerFacts:
        """What the events said."""
        started = self._started
        return AnswerFacts(
            usage=self._usage,
            model=started.model if started is not None else "",
            id=started.id if started is not None else "",
            finish=self._finish,
            service_tier=(started.service_tier or "") if started is not None else "",
        )

    def _translate(self, events: Sequence[StreamEvent]) -> bytes:
        if not events:
            return b""
        for event in events:
            if isinstance(event, UsageReported):
                self._usage = event.usage
            elif isinstance(event, ChoiceFinished):
                self._finish = event.native_finish or event.finish
            elif isinstance(event, AnswerStarted):
                self._started = event
            elif isinstance(event, AnswerEnded):
                self.ended_seen = True
            elif isinstance(event, StreamFailed):
                self._failed = True
        return self._renderer.feed(events)


class KeepingRelay(TranslatingRelay):
    """Translates, and holds the end of the answer back until it is kept: who has it whole can refer to it."""

    __slots__ = ("_end", "_keeping", "_released")

    def __init__(self, parser: StreamParser, renderer: StreamRenderer, keeping: KeepableRenderer) -> None:
        """Read with `parser`, write with `renderer`, which is also `keeping`."""
        super().__init__(parser, renderer)
        self._keeping = keeping
        self._end: Sequence[StreamEvent] = ()
        self._released = False

    def feed(self, data: bytes) -> bytes:
        """Translate; once released, give the end."""
        if self._released:
            end, self._end = self._end, ()
            return super()._translate(end)
        return super().feed(data)

    @property
    def holds_end(self) -> bool:
        """Whether the answer is complete, and its end held back."""
        return bool(self._end) and not self._released

    def whole(self) -> bytes:
        """Write the answer whole."""
        return self._keeping.whole()

    def not_kept(self) -> None:
        """Say in the end that it is not kept."""
        self._keeping.not_kept()

    def release(self) -> None:
        """Let the end go: the next `feed`, of nothing, gives it, so that it goes the way of all that came before it."""
        self._released = True

    def _translate(self, events: Sequence[StreamEvent]) -> bytes:
        for index, event in enumerate(events):
            if isinstance(event, AnswerEnded):
                self._end = events[index:]
                self.ended_seen = True
                return super()._translate(events[:index])
        return super()._translate(events)


class ArrayRelay:
    """Re-frames a relay's server-sent events as one JSON array (Gemini without `alt=sse`)."""

    __slots__ = ("_framer", "_inner")

    def __init__(self, inner: Relay) -> None:
        """Take what `inner` gives."""
        self._inner = inner
        self._framer = JsonArrayFramer()

    def feed(self, data: bytes) -> bytes:
        """Re-frame."""
        return self._framed(self._inner.feed(data))

    def close(self) -> bytes:
        """Re-frame the rest and close the array."""
        return self._framed(self._inner.close()) + self._framer.close()

    def fail(self, error: TollwayError) -> bytes:
        """Put the error as the array's last element."""
        return self._framed(self._inner.fail(error)) + self._framer.close()

    def _framed(self, data: bytes) -> bytes:
        try:
            return self._framer.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error

    @property
    def ended(self) -> bool:
        """As the inner relay."""
        return self._inner.ended

    @property
    def failed(self) -> bool:
        """As the inner relay."""
        return self._inner.failed

    def facts(self) -> AnswerFacts:
        """As the inner relay."""
        return self._inner.facts()


class PolicyRelay:
    """Shows each event to the policies that want to see events."""

    __slots__ = ("_decide", "_decoder", "_encode", "_inner", "refusal")

    def __init__(
        self,
        inner: Relay,
        decide: Callable[[ResponseEvent], ResponseEvent | TollwayError | None],
        framing: Framing = SSE,
    ) -> None:
        """Ask `decide` about each event of `inner`, which frames them so."""
        self._inner = inner
        self._decide = decide
        self._decoder = framing.decoder()
        self._encode = framing.encode
        self.refusal: TollwayError | None = None
        """The error a policy ended the stream with."""

    def feed(self, data: bytes) -> bytes:
        """Pass the events the policies let pass."""
        return self._filter(self._inner.feed(data))

    def close(self) -> bytes:
        """Pass the rest."""
        return self._filter(self._inner.close())

    def fail(self, error: TollwayError) -> bytes:
        """Errors of the gateway are not shown to policies."""
        return self._inner.fail(error)

    @property
    def ended(self) -> bool:
        """As the inner relay."""
        return self._inner.ended

    @property
    def failed(self) -> bool:
        """As the inner relay, or a policy refused."""
        return self._inner.failed or self.refusal is not None

    def facts(self) -> AnswerFacts:
        """As the inner relay."""
        return self._inner.facts()

    def _filter(self, data: bytes) -> bytes:
        if not data or self.refusal is not None:
            return b""
        try:
            events = self._decoder.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        passed: list[bytes] = []
        for event in events:
            outcome = self._decide(ResponseEvent(data=event.data, event=event.event.encode()))
            if outcome is None:
                continue
            if isinstance(outcome, TollwayError):
                self.refusal = outcome
                passed.append(self._inner.fail(outcome))
                break
            passed.append(self._encode(FramedEvent(outcome.event.decode(), outcome.data)))
        return b"".join(passed)
