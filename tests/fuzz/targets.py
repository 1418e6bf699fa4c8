"""What the fuzzers throw bytes at: every reader of what strangers and providers send, and what is written from it.

Each target takes any bytes. It may refuse them in the ways its seam allows; whatever else is raised is a defect.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.dialects.registry import all_dialects
from tollway.expressions import ExpressionError, compile_expression
from tollway.gateway.json_body import read_members
from tollway.gateway.known_heads import split
from tollway.interfaces.dialect import ConversationDialect, EmbeddingsDialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer
from tollway.wire.framing import FRAMINGS
from tollway.wire.spool_format import decode_line
from tollway.wire.sse import SseDecoder

Target = Callable[[bytes], None]

CORPUS: Final = Path(__file__).resolve().parents[1] / "corpus"
_PROVIDER: Final = Provider(
    name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer(), default_max_output_tokens=100
)
_CONVERSATIONS: Final[tuple[ConversationDialect, ...]] = tuple(
    one
    for one in all_dialects()
    if hasattr(one, "stream_parser")  # type: ignore[misc]
)
_EMBEDDINGS: Final[tuple[EmbeddingsDialect, ...]] = tuple(
    one
    for one in all_dialects()
    if any(endpoint.operation == "embeddings" for endpoint in one.endpoints)  # type: ignore[misc]
)
_MODELS: Final = ("m", "claude-sonnet-4-5", "gemini-2.5-flash", "gpt-5", "../x", "a/b:c", "")


def _request(dialect: ConversationDialect) -> Target:
    def target(data: bytes) -> None:
        model = _MODELS[len(data) % len(_MODELS)]
        try:
            request = dialect.parse_request(data, path_model=model, stream=bool(len(data) % 2))
        except BadRequest as refusal:
            msgspec.json.decode(dialect.render_error(refusal))
            return
        for other in _CONVERSATIONS:
            _write(other, msgspec.structs.replace(request, model=model or "m"))

    return target


def _write(dialect: ConversationDialect, request: Conversation) -> None:
    try:
        written = dialect.render_request(request, _PROVIDER, Losses())
    except BadRequest:
        return
    msgspec.json.decode(written)


def _answer(dialect: ConversationDialect) -> Target:
    def target(data: bytes) -> None:
        dialect.facts(data)
        assert dialect.parse_error(500, data, {"content-type": "application/json"}).message
        try:
            answer = dialect.parse_answer(data)
        except UpstreamGarbled:
            return
        for caller in _CONVERSATIONS:
            msgspec.json.decode(caller.render_answer(answer, _asked(caller), now=1))

    return target


def _stream(dialect: ConversationDialect) -> Target:
    def target(data: bytes) -> None:
        cut = data[0] % 31 + 1 if data else 1
        watch = dialect.stream_watch(hide_usage=bool(cut % 2))
        watch.feed(data)
        watch.facts()
        parser = dialect.stream_parser()
        renderers = [
            caller.stream_renderer(_asked(caller), now=1, new_id="01ID", framing=caller.provider_framing)
            for caller in _CONVERSATIONS
        ]
        try:
            for at in range(0, len(data), cut):
                events = parser.feed(data[at : at + cut])
                for renderer in renderers:
                    renderer.feed(events)
            last = parser.close()
        except UpstreamGarbled as error:
            for renderer in renderers:
                renderer.fail(error)
            return
        for renderer in renderers:
            renderer.feed(last)

    return target


def _asked(dialect: ConversationDialect) -> Conversation:
    return Conversation(dialect=dialect.name, model="m", messages=(), stream=True, stream_usage=True)


def _embeddings(dialect: EmbeddingsDialect) -> Target:
    def target(data: bytes) -> None:
        dialect.facts(data)
        assert dialect.parse_error(500, data, {}).message
        try:
            request = dialect.parse_request(data, path_model="m", path_action="")
        except BadRequest:
            return
        for other in _EMBEDDINGS:
            try:
                other.render_request(request, _PROVIDER, Losses())
                answer = other.parse_answer(data, request)
            except (BadRequest, UpstreamGarbled):
                continue
            dialect.render_answer(answer, request)

    return target


def _members(data: bytes) -> None:
    try:
        members = read_members(data, 64)
    except BadRequest:
        return
    assert members.keys() == msgspec.json.decode(data, type=dict[str, msgspec.Raw]).keys()


def _expression(data: bytes) -> None:
    with contextlib.suppress(ExpressionError):
        compile_expression("#[" + data.decode("utf-8", "replace") + "]")


def _framings(data: bytes) -> None:
    for framing in FRAMINGS.values():
        decoder = framing.decoder()
        try:
            assert 0 <= framing.boundary().whole(data) <= len(data)
            for at in range(0, len(data), 7):
                decoder.feed(data[at : at + 7])
        except ValueError:
            continue


def _events(data: bytes) -> None:
    whole, cut = SseDecoder(), SseDecoder()
    events = [*whole.feed(data), *whole.close()]
    size = data[0] % 13 + 1 if data else 1
    pieces = [event for at in range(0, len(data), size) for event in cut.feed(data[at : at + size])]
    assert [*pieces, *cut.close()] == events


def _spool_line(data: bytes) -> None:
    try:
        decode_line(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return


def _head(data: bytes) -> None:
    message = split(data)
    if message is not None:
        assert data[: message.start].endswith(b"\r\n\r\n")
        assert message.length.isdigit()


def targets() -> Mapping[str, Target]:
    """Every target, by name."""
    found: dict[str, Target] = {
        "members": _members,
        "expression": _expression,
        "framings": _framings,
        "events": _events,
        "spool-line": _spool_line,
        "head": _head,
    }
    for dialect in _CONVERSATIONS:
        found[f"{dialect.name}-request"] = _request(dialect)
        found[f"{dialect.name}-answer"] = _answer(dialect)
        found[f"{dialect.name}-stream"] = _stream(dialect)
    for embeddings in _EMBEDDINGS:
        found[embeddings.name] = _embeddings(embeddings)
    return found


def seeds(name: str) -> Iterator[bytes]:
    """Bytes to begin with: of the corpus of requests where the target reads such, else the target's own kind."""
    dialect = name.removesuffix("-request").removesuffix("-answer").removesuffix("-stream")
    for path in sorted((CORPUS / dialect.replace("-", "_")).glob("*.json")):
        yield path.read_bytes()
    yield from _HOSTILE


def _nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    return opening * depth + b"1" + closing * depth


_HOSTILE: Final[tuple[bytes, ...]] = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b'"\\ud800"',
    b'{"a":1,"a":2}',
    b'{"model":"m","model":"n","messages":[]}',
    b'{"messages":[{"role":"user","content":null}]}',
    b'{"n":1e400}',
    b'{"max_tokens":99999999999999999999999999}',
    b"data: [DONE]\n\n",
    b"event: \ndata: {}\n\n",
    b"data: {\n\n",
    _nested(b"[", b"]", 100_000),
    _nested(b'{"a":', b"}", 100_000),
    b'{"messages":' + _nested(b"[", b"]", 500) + b"}",
)


def run(name: str, data: bytes) -> None:
    """Throw bytes at one target."""
    targets()[name](data)
