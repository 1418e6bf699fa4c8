"""What passes without a hub: requests with another model in them, answers as they are, files as they come."""

import asyncio
from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.core.usage import NO_USAGE, Usage
from tollway.gateway.passed import estimated_tokens
from tollway.snapshot.document import PolicyUse
from tollway.testing import script
from tollway.testing.script import Cut, Hang, Pause, Send
from tollway.testing.upstream import ScriptedUpstream

from .serving import KEY, MESSAGES, OK, in_time, policy, proxy, route, serving, soon

PRODUCTION_LOOP = True
SPEAK: dict[str, Any] = {"model": "tts", "voice": "alloy", "input": "Hello, Zoë"}
PICTURE: dict[str, Any] = {"model": "gpt-image", "prompt": "a cat"}
FORM = {"content-type": "multipart/form-data; boundary=b0"}
SOUND = bytes(range(256)) * 64
HEARD = script.reply(json={"text": "hi", "usage": {"type": "duration", "seconds": 3}})


def form(*fields: tuple[str, str, bytes]) -> bytes:
    parts = [
        f'--b0\r\ncontent-disposition: form-data; {more}name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, more, content in fields
    ]
    return b"".join([*parts, b"--b0--\r\n"])


SPOKEN = form(("file", 'filename="a.wav"; ', b"RIFF\r\n\x00--b0"), ("model", "", b"whisper"))


# --- requests


async def test_json_passes_with_another_model_and_nothing_else_changed() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, target_model="dall-e-9"))) as served:
        up.on(script.reply(json={"data": [{"url": "https://x"}, {"url": "https://y"}]}))
        answer = await served.ask("/v1/images/generations", {**PICTURE, "n": 2, "unheard_of": [1, {"a": None}]})
        assert answer.status == 200
        (sent,) = [one.request for one in up.requests]
        assert (sent.method, sent.target) == ("POST", "/v1/images/generations")
        assert msgspec.json.decode(sent.body) == {
            **PICTURE,
            "n": 2,
            "unheard_of": [1, {"a": None}],
            "model": "dall-e-9",
        }
        record = served.record
        assert (record.operation, record.inbound_dialect, record.provider_dialect) == (
            "image",
            "openai-images",
            "openai-images",
        )
        assert (record.requested_model, record.target_model) == ("gpt-image", "dall-e-9")
        assert record.usage == Usage(output_images=2)


async def test_a_form_passes_byte_for_byte_but_for_its_model() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, target_model="other-model"))) as served:
        up.on(HEARD)
        answer = await served.ask("/v1/audio/transcriptions", raw=SPOKEN, headers=FORM)
        assert (answer.status, msgspec.json.decode(answer.body)["text"]) == (200, "hi")
        (sent,) = [one.request for one in up.requests]
        assert sent.body == SPOKEN.replace(b"whisper", b"other-model")
        assert dict(sent.headers)["content-type"] == FORM["content-type"]
        assert [name for name, _ in sent.headers].count("content-type") == 1
        assert dict(sent.headers)["authorization"] == f"Bearer {KEY}"
        assert (served.record.requested_model, served.record.usage) == ("whisper", Usage(input_audio_ms=3000))


async def test_a_form_without_a_model_gets_the_routes_own() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, target_model="tuned"))) as served:
        up.on(HEARD)
        await served.ask("/v1/audio/transcriptions", raw=form(("file", "", b"x")), headers=FORM)
        assert b'name="model"\r\n\r\ntuned\r\n--b0' in up.requests[0].body
        assert served.record.target_model == "tuned"


BAD_FORMS = {
    "no form": (b"hello", FORM, "boundary"),
    "no boundary": (SPOKEN, {"content-type": "multipart/form-data"}, "boundary"),
    "JSON": (b"{}", {"content-type": "application/json"}, "multipart/form-data"),
    "two models": (form(("model", "", b"a"), ("model", "", b"b")), FORM, "'model' must be one"),
    "a model in a file": (form(("model", 'filename="m"; ', b"a")), FORM, "'model' must be one"),
    "a huge model": (form(("model", "", b"m" * 600)), FORM, "too long"),
}


@pytest.mark.parametrize(("body", "headers", "words"), BAD_FORMS.values(), ids=BAD_FORMS)
async def test_a_form_that_is_none_is_refused(body: bytes, headers: dict[str, str], words: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        answer = await served.ask("/v1/audio/transcriptions", raw=body, headers=headers)
        assert answer.status == 400
        assert words in msgspec.json.decode(answer.body)["error"]["message"]
        assert up.requests == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b'{"model": 3}', {}, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-encoding": "gzip"}, 415),
        (b'{"stream": "yes", "model": "m"}', {}, 400),
    ],
)
async def test_a_body_that_is_not_json_is_refused(body: bytes, headers: dict[str, str], status: int) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        assert (await served.ask("/v1/images/generations", raw=body, headers=headers)).status == status
        assert up.requests == []


async def test_the_callers_query_passes_beside_the_providers_own() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, query={"region": "eu"}))) as served:
        up.on(script.reply(json={"results": []}))
        await served.ask("/v1/moderations?api-version=2024&region=us&deep=a%20b&flag", {"input": "x"})
        assert up.requests[0].request.target == "/v1/moderations?region=eu&deep=a+b&flag="


# --- answers


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_status_and_type_of_an_answer_are_the_providers(status: int) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.reply(status=status, headers=[("content-type", "application/json; x=y")], body=b'{"results": []}'))
        answer = await served.ask("/v1/moderations", {"input": "x"})
        assert (answer.status, answer.headers["content-type"], answer.body) == (
            status,
            "application/json; x=y",
            b'{"results": []}',
        )
        assert (served.record.outcome, served.record.status, served.record.usage) == ("ok", status, NO_USAGE)


async def test_an_error_is_the_providers_own() -> None:
    error = {"error": {"message": "no such voice", "type": "invalid_request_error", "param": "voice", "code": None}}
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.reply(status=400, json=error))
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert (answer.status, msgspec.json.decode(answer.body)) == (400, error)
        assert (served.record.outcome, served.record.status) == ("error", 400)


async def test_words_about_the_gateways_key_stay_behind() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.reply(status=401, json={"error": {"message": f"bad key {KEY}"}}))
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert answer.status == 401
        assert KEY.encode() not in answer.body


async def test_a_redirect_is_not_followed() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.reply(status=302, headers=[("location", f"{up.url}/elsewhere")]))
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert (answer.status, len(up.requests)) == (502, 1)
        assert "location" not in answer.headers


# --- files


async def test_a_file_passes_with_its_type_and_is_metered() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(
            script.reply(
                headers=[("content-type", "audio/mpeg"), ("content-disposition", "inline"), ("x-secret", "s")],
                body=SOUND,
            )
        )
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert (answer.status, answer.whole, answer.body) == (200, True, SOUND)
        assert (answer.headers["content-type"], answer.headers["content-disposition"]) == ("audio/mpeg", "inline")
        assert "x-secret" not in answer.headers
        record = served.record
        assert (record.outcome, record.stream, record.response_bytes) == ("ok", False, len(SOUND))
        assert record.usage == Usage(input_characters=len(SPEAK["input"]))


async def test_a_file_is_passed_as_it_comes_and_kept_in_the_ledger_before_its_end() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(
            script.Answer(headers=[("content-type", "audio/mpeg")], acts=[Send(b"first "), Hang()], framing="chunked")
        )
        call = await served.send("/v1/audio/speech", SPEAK)
        await in_time(call.until("first "))
        assert served.records == []
        await call.leave()
        await soon(lambda: len(served.records) == 1)
        assert (served.record.outcome, served.record.usage.source) == ("cancelled", "provider")


async def test_a_file_that_breaks_is_never_a_clean_end() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(
            script.Answer(
                headers=[("content-type", "audio/mpeg")], acts=[Send(b"first "), Pause(0.02), Cut()], framing="chunked"
            )
        )
        answer = await in_time(served.ask("/v1/audio/speech", SPEAK))
        assert (answer.status, answer.whole) == (200, False)
        assert answer.body == b"first "
        assert served.record.outcome == "cut"


async def test_a_slow_caller_pauses_its_own_upstream() -> None:
    piece = b"x" * 65_536
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.Answer(headers=[("content-type", "audio/mpeg")], acts=[Send(piece)] * 400, framing="chunked"))
        call = await served.send("/v1/audio/speech", SPEAK)
        await in_time(call.until("audio/mpeg"))
        (attempt,) = served.worker.attempts
        await soon(lambda: attempt.paused)
        assert attempt.response_bytes < 400 * len(piece)
        answer = await in_time(call.rest())
        assert len(answer.body) == 400 * len(piece)


async def test_a_policy_sees_the_call_and_may_refuse_its_file() -> None:
    seen: list[tuple[str, str]] = []
    uses = (
        policy(request=lambda exchange: seen.append((exchange.operation, exchange.requested_model))),
        policy(response=lambda *_: PolicyRefusal("no sound", status=451)),
    )
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(script.reply(headers=[("content-type", "audio/mpeg")], body=SOUND))
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert (answer.status, seen) == (451, [("speech", "tts")])


async def test_a_policy_that_waits_holds_a_file_back() -> None:
    gate = asyncio.Event()

    async def wait(*_: object) -> None:
        await gate.wait()

    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(policy(response=wait),))) as served:
        up.on(script.reply(headers=[("content-type", "audio/mpeg")], body=SOUND))
        call = await served.send("/v1/audio/speech", SPEAK)
        await up.arrival(1).reached()
        await up.requests[0].answered.reached()
        assert call.silent
        gate.set()
        answer = await in_time(call.rest())
        assert (answer.body, answer.whole) == (SOUND, True)


async def test_an_empty_file_is_a_file() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.reply(headers=[("content-type", "audio/mpeg")], body=b""))
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert (answer.status, answer.body, answer.whole) == (200, b"", True)


# --- streams of events


EVENTS = [
    'data: {"type":"speech.audio.delta","audio":"AAAA"}\n\n',
    'data: {"type":"speech.audio.done","usage":{"input_tokens":4,"output_tokens":9,"total_tokens":13}}\n\n',
]


async def test_events_pass_and_their_usage_is_found() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.sse(EVENTS))
        answer = await served.ask("/v1/audio/speech", {**SPEAK, "stream_format": "sse"})
        assert answer.body.decode() == "".join(EVENTS)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert served.record.usage == Usage(input_fresh=4, output_text=9)
        assert served.record.outcome == "ok"


async def test_events_that_break_off_end_in_an_error() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.sse(EVENTS[:1]))
        answer = await served.ask("/v1/audio/speech", {**SPEAK, "stream_format": "sse"})
        assert answer.whole
        assert b"event: error" in answer.body
        assert served.record.outcome == "cut"


async def test_a_failed_call_is_tried_again_before_a_byte_went_out() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.enqueue(script.reply(status=503, json={"error": {"message": "busy"}}))
        up.on(script.reply(headers=[("content-type", "audio/mpeg")], body=SOUND))
        answer = await served.ask("/v1/audio/speech", SPEAK)
        assert (answer.status, answer.body) == (200, SOUND)
        assert [one.final for one in served.records] == [False, True]


# --- counting


COUNTS = [
    ("anthropic", "/v1/messages/count_tokens?beta=true", {**MESSAGES}, "input_tokens"),
    ("gemini", "/v1beta/models/m:countTokens", {"contents": [{"parts": [{"text": "hi"}]}]}, "totalTokens"),
    ("openai", "/v1/responses/input_tokens", {"model": "m", "input": "hi"}, "input_tokens"),
]
COUNTED = pytest.mark.parametrize(("api", "path", "body", "member"), COUNTS, ids=[one[0] for one in COUNTS])


@COUNTED
async def test_a_provider_counts_where_it_can(api: str, path: str, body: Any, member: str) -> None:
    async with ScriptedUpstream() as up:
        up.on(script.reply(json={member: 14}))
        async with serving(proxy(route(up, provider=api, target_model="t"), format="any")) as served:
            answer = await served.ask(path, body)
            assert (answer.status, msgspec.json.decode(answer.body)) == (200, {member: 14})
            assert "x-tollway-estimated" not in answer.headers
            sent = up.requests[0].request
            assert sent.target == "/v1" + path.replace("/v1beta", "").replace("/v1", "").replace("/m:", "/t:")
            named = {"model": "t"} if "model" in body else {}
            assert msgspec.json.decode(sent.body) == {**body, **named}
            record = served.record
            assert (record.operation, record.usage, record.outcome) == ("token-count", NO_USAGE, "ok")


@COUNTED
async def test_elsewhere_the_count_is_an_estimate_and_says_so(api: str, path: str, body: Any, member: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="vllm"), format="any")) as served:
        answer = await served.ask(path, body)
        assert (answer.status, answer.headers["x-tollway-estimated"]) == (200, "true")
        assert msgspec.json.decode(answer.body)[member] == len(msgspec.json.encode(body)) // 4
        assert up.requests == []
        record = served.record
        assert (record.operation, record.attempt, record.outcome, record.usage) == ("token-count", 0, "ok", NO_USAGE)


async def test_each_model_is_counted_by_its_own_provider() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.reply(json={"input_tokens": 14}))
        routes = [route(up, name=name, provider=name, target_model=None) for name in ("anthropic", "vllm")]
        async with serving(proxy(*routes, format="anthropic")) as served:
            for model, estimated in (("anthropic/c", False), ("vllm/q", True)):
                answer = await served.ask("/v1/messages/count_tokens", {**MESSAGES, "model": model})
                assert ("x-tollway-estimated" in answer.headers) is estimated
            unknown = await served.ask("/v1/messages/count_tokens", {**MESSAGES, "model": "nobody/x"})
            assert unknown.status == 400


async def test_counting_is_neither_limited_nor_counted_by_tokens() -> None:
    uses = (
        PolicyUse(
            name="limit",
            policy="llm-token-rate-limit",
            config={"maximumTokens": 1, "timePeriodInMilliseconds": 60_000, "keySelector": "#['a']"},
        ),
    )
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up, provider="vllm"), format="any", policies=uses)) as served,
    ):
        up.on(OK)
        for _ in range(3):
            assert (await served.ask("/v1/messages/count_tokens", MESSAGES)).status == 200
        assert (await served.ask("/v1/messages", MESSAGES)).status == 200
        assert (await served.ask("/v1/messages", MESSAGES)).status == 429
        assert (await served.ask("/v1/messages/count_tokens", MESSAGES)).status == 200


def test_a_picture_counts_as_one_and_not_by_its_bytes() -> None:
    picture = "A" * 400_000
    body = msgspec.json.encode({"text": "x" * 400, "data": picture, "url": f"data:image/png;base64,{picture}"})
    assert 3_000 < estimated_tokens(body) < 3_200
    assert estimated_tokens(b"") == 1


async def test_a_query_on_messages_is_no_part_of_its_path() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="vllm"), format="any")) as served:
        up.on(OK)
        assert (await served.ask("/v1/messages?beta=true", MESSAGES)).status == 200
