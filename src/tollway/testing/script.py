"""What a scripted upstream is told to do: answers, the acts they are made of, and rules.

Everything here is plain data, so a script can be written in Python by a test or in a JSON
file for `python -m tollway.testing.upstream`. The functions below are the usual ways to
say it: `reply`, `sse`, `failure`, `cut_after`, `raw`.
"""

import gzip
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

Framing = Literal["length", "chunked", "close", "raw"]
"""How the end of the body is known: its length, chunks, the end of the connection, or not
at all: `raw` sends nothing but the acts, not even a head."""

After = Literal["keep", "close", "reset", "close_on_next", "reset_on_next"]
"""What becomes of the connection after the answer. The last two look idle and healthy, and
are dropped the moment the next request arrives: the race that every client pool must bear."""


class Send(msgspec.Struct, tag="send", frozen=True):
    """Bytes of the body, framed as the answer is; in JSON `text`, or `data` in base64."""

    data: bytes = b""
    text: str = ""

    @property
    def payload(self) -> bytes:
        """What is sent."""
        return self.data + self.text.encode()


class SendRaw(msgspec.Struct, tag="raw", frozen=True):
    """Bytes put on the wire as they are, past all framing."""

    data: bytes = b""
    text: str = ""

    @property
    def payload(self) -> bytes:
        """What is sent."""
        return self.data + self.text.encode()


class Pause(msgspec.Struct, tag="pause", frozen=True):
    """Nothing for a while."""

    seconds: float


class Hang(msgspec.Struct, tag="hang", frozen=True):
    """Nothing any more: the connection stays open until the client leaves."""


class Cut(msgspec.Struct, tag="cut", frozen=True):
    """The connection is closed here, the answer unfinished; or reset."""

    reset: bool = False


Act = Send | SendRaw | Pause | Hang | Cut


class Interim(msgspec.Struct, frozen=True):
    """A 1xx answer before the real one."""

    status: int
    headers: list[tuple[str, str]] = []


class Answer(msgspec.Struct, kw_only=True):
    """One answer, act by act."""

    status: int = 200
    reason: str | None = None
    headers: list[tuple[str, str]] = []
    before: list[Pause | Hang | Cut] = []
    """What happens between the request and the head."""
    interim: list[Interim] = []
    acts: list[Act] = []
    framing: Framing = "length"
    content_length: int | None = None
    """The length announced, when it shall not be the true one."""
    gzipped: bool = False
    """The body is compressed as a whole and sent in one piece: after the pauses, before any end."""
    after: After = "keep"

    @property
    def body(self) -> bytes:
        """All that the acts send, without the pauses."""
        return b"".join(act.payload for act in self.acts if isinstance(act, Send))


class Rule(msgspec.Struct, kw_only=True):
    """Which requests get which answers. What is not set matches everything."""

    answers: list[Answer]
    method: str | None = None
    path: str | None = None
    """The path without the query; a `*` at the end matches whatever follows."""
    model: str | None = None
    """The `model` member of a JSON body."""
    when_used_up: Literal["repeat_last", "cycle", "pass"] = "repeat_last"
    """After the last answer: give it again, begin anew, or let later rules decide."""


class Script(msgspec.Struct):
    """Rules in order; the first that matches a request answers it."""

    rules: list[Rule] = []


NO_RULE: Final = Answer(
    status=500,
    headers=[("content-type", "application/json")],
    acts=[Send(b'{"error":{"message":"the script has no answer for this request"}}')],
)


def load(data: bytes) -> Script:
    """A script from JSON.

    Raises:
        msgspec.ValidationError: the script says something that is not understood.
    """
    return msgspec.json.decode(data, type=Script)


def reply(
    status: int = 200,
    *,
    json: object = None,
    body: bytes = b"",
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """A whole answer at once: a JSON value, or bytes."""
    content = list(headers)
    if json is not None:
        body = msgspec.json.encode(json)
        content = [("content-type", "application/json"), *content]
    return Answer(status=status, headers=content, acts=[Send(body)] if body else [])


def sse(
    events: Sequence[bytes | str | Act],
    *,
    pause: float = 0.0,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """A stream: each text or bytes is sent as it is, as one chunk, `pause` seconds apart."""
    return Answer(
        headers=[("content-type", "text/event-stream"), *headers],
        acts=chunks(events, pause=pause),
        framing="chunked",
    )


def failure(
    status: int,
    *,
    retry_after: int | str | None = None,
    json: object = None,
    headers: Sequence[tuple[str, str]] = (),
) -> Answer:
    """An error answer, with Retry-After in seconds or as a date."""
    waits = [] if retry_after is None else [("retry-after", str(retry_after))]
    error = {"error": {"message": f"scripted {status}", "type": "scripted", "code": None}}
    return reply(status, json=error if json is None else json, headers=[*waits, *headers])


def cut_after(answer: Answer, count: int, *, reset: bool = False) -> Answer:
    """The same answer, broken off after `count` bytes of its body.

    The acts before the break keep their order and their pauses; a chunk is split where the
    break falls, so the cut can lie in the middle of an event or of a character.
    """
    kept: list[Act] = []
    room = count
    for act in answer.acts:
        if isinstance(act, Send):
            part = act.payload[:room]
            room -= len(part)
            kept += [Send(part)] if part else []
            if room == 0:
                break
        else:
            kept.append(act)
    length = len(answer.body) if answer.framing == "length" else None
    return msgspec.structs.replace(
        answer, acts=[*kept, Cut(reset=reset)], content_length=answer.content_length or length
    )


def raw(*acts: bytes | str | Act, after: After = "close") -> Answer:
    """Exactly these bytes on the wire: no head, no framing but what they contain."""
    return Answer(acts=chunks(acts), framing="raw", after=after)


def chunks(parts: Sequence[bytes | str | Act], *, pause: float = 0.0) -> list[Act]:
    """Parts as acts, with a pause between each two of them."""
    acts: list[Act] = []
    for part in parts:
        if acts and pause > 0:
            acts.append(Pause(pause))
        if isinstance(part, str):
            part = part.encode()  # noqa: PLW2901 - the same part, as the wire has it
        acts.append(Send(part) if isinstance(part, bytes) else part)
    return acts


def compressed(answer: Answer) -> Answer:
    """The same answer with its body gzipped and said to be so."""
    body = gzip.compress(answer.body, mtime=0)
    before = [act for act in answer.acts if isinstance(act, SendRaw | Pause)]
    after = [act for act in answer.acts if isinstance(act, Hang | Cut)]
    headers = [*answer.headers, ("content-encoding", "gzip")]
    return msgspec.structs.replace(answer, headers=headers, acts=[*before, Send(body), *after], gzipped=False)
