"""What the load says and what the upstreams answer: request bodies, the fixed completion, stream events.

Every answer carries `MARK`, so that a client can tell a right answer from a wrong one after any
gateway has parsed and written it again.
"""

import re

import msgspec

MODEL = "gpt-4o-mini"
ROUTED_MODEL = f"openai/{MODEL}"
MARK = "tollway-bench-answer"
CHUNK_MARK = b"@"
STAMP_DIGITS = 19
# A stream has its content chunks, and around them: the role, the finish reason, the usage.
FRAME_EVENTS = 3

_ANSWER_BYTES = 1024
_PLAN = re.compile(rb"\[\[stream chunks=(\d+) pause_ms=(\d+)\]\]")
_STAMP = re.compile(rb"@(\d{19})")
_WORDS = "the toll is paid once and every wagon that passes the gate is written in the book "


class StreamPlan(msgspec.Struct, frozen=True):
    """How an upstream answers a stream: so many content chunks, so long between two of them."""

    chunks: int
    pause_ms: int

    @property
    def events(self) -> int:
        """Events of one such stream, `[DONE]` not counted."""
        return self.chunks + FRAME_EVENTS

    def sentence(self) -> str:
        """The plan as words in a prompt, which every gateway passes on as they are."""
        return f"[[stream chunks={self.chunks} pause_ms={self.pause_ms}]]"


def read_plan(body: bytes) -> StreamPlan | None:
    """The plan a request body asks for."""
    found = _PLAN.search(body)
    if found is None:
        return None
    return StreamPlan(chunks=int(found[1]), pause_ms=int(found[2]))


def completion_request(size_bytes: int, *, stream: StreamPlan | None = None) -> bytes:
    """A chat completion request of exactly `size_bytes` bytes."""
    question = stream.sentence() if stream else "What does the book say?"
    document: dict[str, object] = {
        "model": ROUTED_MODEL,
        "messages": [
            {"role": "system", "content": "You keep the book of a toll gate."},
            {"role": "user", "content": ""},
            {"role": "user", "content": question},
        ],
        "temperature": 0.2,
        "max_tokens": 256,
    }
    if stream:
        document["stream"] = True
        document["stream_options"] = {"include_usage": True}
    empty = msgspec.json.encode(document).decode()
    missing = size_bytes - len(empty)
    if missing < 0:
        message = f"a request of {size_bytes} bytes is too small: its frame alone is {len(empty)}"
        raise ValueError(message)
    prose = _prose(missing)
    return empty.replace('"content":""', f'"content":"{prose}"', 1).encode()


def completion_answer() -> str:
    """The fixed chat completion of about 1 KB that the JSON upstream answers."""
    document = {
        "id": "chatcmpl-bench",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": f"{MODEL}-2024-07-18",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": f"{MARK} "},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 412, "completion_tokens": 128, "total_tokens": 540},
        "system_fingerprint": "fp_bench",
    }
    text = msgspec.json.encode(document).decode()
    return text.replace(f"{MARK} ", f"{MARK} {_prose(_ANSWER_BYTES - len(text))}")


def event(delta: str, *, finish: str = "null", usage: str = "null") -> bytes:
    """One event of a chat completion stream."""
    return (
        'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,'
        f'"model":"{MODEL}-2024-07-18","choices":[{{"index":0,"delta":{delta},'
        f'"logprobs":null,"finish_reason":{finish}}}],"usage":{usage}}}\n\n'
    ).encode()


OPENING_EVENT = event('{"role":"assistant","content":""}')
FINISH_EVENT = event("{}", finish='"stop"')
USAGE_EVENT = (
    'data: {"id":"chatcmpl-bench","object":"chat.completion.chunk","created":1700000000,'
    f'"model":"{MODEL}-2024-07-18","choices":[],'
    '"usage":{"prompt_tokens":412,"completion_tokens":128,"total_tokens":540}}\n\n'
).encode()
DONE_EVENT = b"data: [DONE]\n\n"
_CONTENT_EVENT = event('{"content":"@%019d"}')


def content_event(stamp: int) -> bytes:
    """A content chunk that carries a number: when it was written, or which one it is."""
    return _CONTENT_EVENT % stamp


def read_stamps(text: bytes) -> list[int]:
    """The numbers of the content chunks in a piece of a stream."""
    return [int(digits) for digits in _STAMP.findall(text)]


def _prose(length: int) -> str:
    repeated = _WORDS * (length // len(_WORDS) + 1)
    return repeated[:length]
