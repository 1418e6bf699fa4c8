"""What a caller meets when an upstream fails: repeats, fallbacks, clear ends, and one usage record an attempt."""

import socket
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anthropic
import httpx
import msgspec
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types
from tests.support.running import Gateway, key_file, lines, until

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
FIRST_KEY = "sk-first-key-of-the-operator"
SECOND_KEY = "sk-second-key-of-the-operator"
OK = script.reply(
    json={
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }
)


def _chunk(text: str = "", finish: str | None = None, usage: dict[str, int] | None = None) -> str:
    choices = "[]" if usage else f'[{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{_json(finish)}}}]'
    more = f',"usage":{_json(usage)}' if usage else ""
    return (
        f'data: {{"id":"c","object":"chat.completion.chunk","created":1,"model":"m-1","choices":{choices}{more}}}\n\n'
    )


def _json(value: object) -> str:
    return "null" if value is None else str(value).replace("'", '"') if isinstance(value, dict) else f'"{value}"'


USAGE = _chunk(usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5})
EVENTS = [_chunk("one "), _chunk("two"), _chunk(finish="stop"), USAGE, "data: [DONE]\n\n"]


class Stage:
    """One gateway with many LLM proxies, in front of two upstreams of which a test disposes."""

    def __init__(self, gateway: Gateway, first: ScriptedUpstream, second: ScriptedUpstream) -> None:
        """Put the parts together."""
        self.gateway = gateway
        self.first = first
        self.second = second
        self.client = httpx.Client(base_url=gateway.url, timeout=20, trust_env=False)
        self.correlation = ""

    def fresh(self) -> "Stage":
        """Forget what the test before has scripted."""
        for upstream in (self.first, self.second):
            upstream.forget()
            upstream.greeting = "answer"
        self.correlation = uuid.uuid4().hex
        return self

    def without_kept_connections(self) -> "Stage":
        """Leave the gateway no connection to the first upstream: one that was closed costs no attempt."""
        self.first.on(msgspec.structs.replace(OK, after="close"))
        while self.first.connections_open:
            self.ask("plain")
        return self.fresh()

    def ask(self, proxy: str, **more: Any) -> httpx.Response:
        """Ask a proxy."""
        headers = {"x-correlation-id": self.correlation}
        return self.client.post(f"/{proxy}/v1/chat/completions", json={**CHAT, **more}, headers=headers)

    def outcomes(self, count: int) -> list[tuple[int, str, str, bool]]:
        """Give attempt, route, outcome and finality of each attempt of the call."""
        found = self.gateway.records(self.correlation, count)
        assert len({record.call_id for record in found}) == 1
        return [(record.attempt, record.route, record.outcome, record.final) for record in found]

    def raw(self, proxy: str, *, stream: bool) -> socket.socket:
        """Send a request on a connection of its own, whose end the test decides."""
        host, _, port = self.gateway.url.removeprefix("http://").partition(":")
        body = httpx.Request("POST", "http://x", json={**CHAT, "stream": stream}).content
        connection = socket.create_connection((host, int(port)), timeout=20)
        head = (
            f"POST /{proxy}/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"x-correlation-id: {self.correlation}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body)
        return connection


ALL_TRIGGERS = ["status_408", "status_429", "status_5xx", "connect_error", "first_byte_timeout"]
QUICK = {"connect": "1s", "first_byte": "600ms", "between_events": "600ms", "total": "3s"}
CALM = {"minimum_calls": 100_000}
NO_RETRIES = {"attempts": 0}
RETRIES = {
    "attempts": 2,
    "on": ALL_TRIGGERS,
    "backoff": "10ms",
    "max_backoff": "1s",
    "only_within": "2s",
    "budget_ratio": 1,
}


def _route(name: str, url: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "provider": "openai",
        "credential": "key",
        "url": url,
        "timeouts": QUICK,
        "health": CALM,
        **more,
    }


def _proxies(first: str, second: str, dead: str) -> dict[str, dict[str, Any]]:
    one, two = _route("first", first), _route("second", second, weight=0)
    elsewhere = {"route": "second", "on": [*ALL_TRIGGERS, "unhealthy"]}
    return {
        "plain": {"routes": [one], "retries": NO_RETRIES},
        "retrying": {"routes": [one], "retries": RETRIES},
        "default": {"routes": [_route("first", first, timeouts={})]},
        "falling-back": {
            "routes": [one, two],
            "strategy": "weighted",
            "fallback": elsewhere,
            "retries": NO_RETRIES,
        },
        "dead": {
            "routes": [_route("first", dead), two],
            "strategy": "weighted",
            "fallback": elsewhere,
            "retries": NO_RETRIES,
        },
        "priority": {
            "routes": [{**one, "priority": 0}, {**two, "weight": 1, "priority": 1}],
            "strategy": "priority",
            "retries": NO_RETRIES,
        },
        **{
            f"keys-{status}": {
                "routes": [{**one, "credential": f"two-{status}"}],
                "retries": {**NO_RETRIES, "budget_ratio": 1},
            }
            for status in (401, 429)
        },
        "breaking": {
            "routes": [
                _route("first", first, health={"minimum_calls": 4, "error_rate": 0.5, "window": "60s", "rest": "700ms"})
            ],
            "retries": NO_RETRIES,
        },
        "capped": {
            "routes": [_route("first", first, health={"minimum_calls": 90_000, "max_concurrent": 1}, timeouts={})],
            "retries": NO_RETRIES,
        },
        "draining": {
            "routes": [_route("first", first, timeouts={})],
            "on_client_leave": "drain",
            "drain_time": "5s",
            "retries": NO_RETRIES,
        },
        "patient": {"routes": [_route("first", first, timeouts={})], "retries": NO_RETRIES},
        "many": {
            "routes": [
                {**one, "aliases": {"fast": "m-small"}},
                {"name": "other", "provider": "anthropic", "credential": "key", "url": second, "models": ["own-model"]},
            ],
            "retries": NO_RETRIES,
        },
        "named": {
            "routes": [_route("first", f"http://{socket.gethostname()}:1", allow_insecure=True)],
            "retries": NO_RETRIES,
        },
        "anthropic": {
            "format": "any",
            "routes": [{**one, "provider": "anthropic"}],
            "retries": NO_RETRIES,
        },
        "gemini": {"format": "any", "routes": [{**one, "provider": "gemini"}], "retries": NO_RETRIES},
    }


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("failures")
    with socket.socket() as unused, ScriptedUpstream() as first, ScriptedUpstream() as second:
        unused.bind(("127.0.0.1", 0))  # bound and never listening: connections are refused
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
        both = [key_file(folder, "first", FIRST_KEY), key_file(folder, "second", SECOND_KEY)]
        resources = {
            "credentials": [
                {"name": "key", "values": both[:1]},
                *({"name": f"two-{status}", "values": both} for status in (401, 429)),
            ],
            "llm_proxies": [
                {"name": name, "base_path": f"/{name}", **proxy}
                for name, proxy in _proxies(first.url, second.url, dead).items()
            ],
        }
        with Gateway(folder, resources) as gateway:
            stage = Stage(gateway, first, second)
            with stage.client:
                yield stage
            worst = [line for line in lines(gateway.stderr) if line.get("level") in {"error", "critical"}]
            assert worst == [], gateway.stderr


@pytest.fixture
def stage(running: Stage) -> Stage:
    return running.fresh()


# --- repeats


@pytest.mark.parametrize(
    ("failing", "outcome"),
    [
        (script.failure(408), "error"),
        (script.failure(429), "error"),
        (script.failure(500), "error"),
        (script.failure(503), "error"),
        (script.Answer(before=[script.Cut()]), "error"),
        (script.Answer(before=[script.Cut(reset=True)]), "error"),
        (script.Answer(before=[script.Hang()]), "timeout"),
    ],
    ids=["408", "429", "500", "503", "closed", "reset", "silent"],
)
def test_a_failed_attempt_is_repeated_and_both_are_recorded(stage: Stage, failing: script.Answer, outcome: str) -> None:
    stage.without_kept_connections().first.on(failing, OK)
    answer = stage.ask("retrying")
    assert (answer.status_code, answer.content) == (200, OK.body)
    assert stage.outcomes(2) == [(1, "first", outcome, False), (2, "first", "ok", True)]
    assert len(stage.first.requests) == 2


def test_repeats_end_and_the_last_failure_is_the_callers(stage: Stage) -> None:
    stage.first.on(script.failure(500), script.failure(502), script.failure(503))
    answer = stage.ask("retrying")
    assert answer.status_code == 503
    assert answer.headers["x-should-retry"] == "false"
    assert [outcome[2:] for outcome in stage.outcomes(3)] == [("error", False), ("error", False), ("error", True)]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_a_repeat_cannot_mend_is_not_repeated(stage: Stage, status: int) -> None:
    stage.first.on(script.failure(status), OK)
    answer = stage.ask("retrying")
    assert answer.status_code == status
    assert answer.headers["x-should-retry"] == "false"
    assert len(stage.first.requests) == 1


def test_an_idle_connection_that_the_upstream_closed_is_no_failure_of_the_call(stage: Stage) -> None:
    quitting = script.Answer(headers=OK.headers, acts=OK.acts, after="close_on_next")
    stage.first.on(quitting, OK)
    assert stage.ask("default").status_code == 200
    assert stage.ask("default").status_code == 200


def test_one_call_of_an_sdk_with_its_own_repeats_does_not_multiply(stage: Stage) -> None:
    stage.first.on(script.failure(500))
    with (
        openai.OpenAI(base_url=f"{stage.gateway.url}/default/v1", api_key="unused") as client,
        pytest.raises(openai.InternalServerError),
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    assert len(stage.first.requests) == 2  # the gateway's own repeat, and none by the SDK


def test_a_short_retry_after_is_waited_for(stage: Stage) -> None:
    stage.first.on(script.failure(429, retry_after=1), OK)
    began = time.monotonic()
    assert stage.ask("retrying").status_code == 200
    assert time.monotonic() - began >= 0.99


def test_a_long_retry_after_goes_to_the_caller_at_once(stage: Stage) -> None:
    stage.first.on(script.failure(429, retry_after=30), OK)
    answer = stage.ask("retrying")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    assert answer.headers["x-should-retry"] == "true"
    assert len(stage.first.requests) == 1


def test_the_upstream_gets_the_same_request_again(stage: Stage) -> None:
    stage.first.on(script.failure(500), OK)
    stage.ask("retrying", temperature=0.5, unheard_of={"kept": [1, 2]})
    one, two = stage.first.requests
    assert one.body == two.body
    assert one.json() == {**CHAT, "temperature": 0.5, "unheard_of": {"kept": [1, 2]}}


# --- elsewhere


@pytest.mark.parametrize(
    "failing",
    [
        script.failure(408),
        script.failure(429, retry_after=20),
        script.failure(500),
        script.Answer(before=[script.Cut()]),
        script.Answer(before=[script.Hang()]),
    ],
    ids=["408", "429", "500", "closed", "silent"],
)
@pytest.mark.parametrize("proxy", ["falling-back", "priority"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_call_goes_elsewhere_when_its_route_fails(
    stage: Stage, proxy: str, failing: script.Answer, streamed: bool
) -> None:
    stage.first.on(failing)
    stage.second.on(script.sse(EVENTS) if streamed else OK)
    answer = stage.ask(proxy, stream=streamed)
    assert answer.status_code == 200
    assert ("data: [DONE]" in answer.text) is streamed
    assert answer.headers["x-llm-proxy-routing-fallback"] == ("true" if proxy == "falling-back" else "false")
    assert [one[1] for one in stage.outcomes(2)] == ["first", "second"]


def test_a_stream_whose_first_event_never_comes_goes_elsewhere(stage: Stage) -> None:
    stage.first.on(script.sse([script.Hang()]))
    stage.second.on(script.sse(EVENTS))
    answer = stage.ask("falling-back", stream=True)
    assert "two" in answer.text
    assert stage.outcomes(2) == [(1, "first", "timeout", False), (2, "second", "ok", True)]


def test_a_call_goes_elsewhere_when_nothing_listens(stage: Stage) -> None:
    stage.second.on(OK)
    assert stage.ask("dead").status_code == 200
    first, second = stage.gateway.records(stage.correlation, 2)
    assert (first.error, first.upstream_status) == ("upstream_unreachable", 0)
    assert second.outcome == "ok"


def test_a_refused_key_and_a_bad_request_do_not_go_elsewhere(stage: Stage) -> None:
    stage.second.on(OK)
    for status in (400, 401, 404):
        stage.fresh().first.on(script.failure(status))
        assert stage.ask("falling-back").status_code == status
        assert stage.second.requests == []


# --- after the first byte


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("proxy", ["retrying", "falling-back"])
def test_nothing_is_tried_again_once_a_byte_has_gone_to_the_caller(stage: Stage, proxy: str, reset: bool) -> None:
    stage.first.on(script.cut_after(script.sse(EVENTS, pause=0.05), len(EVENTS[0]) + 9, reset=reset))
    stage.second.on(script.sse(EVENTS))
    answer = stage.ask(proxy, stream=True)
    assert answer.status_code == 200
    assert "one" in answer.text
    assert "[DONE]" not in answer.text
    assert '"error"' in answer.text
    assert (len(stage.first.requests), len(stage.second.requests)) == (1, 0)
    (record,) = stage.gateway.records(stage.correlation)
    assert (record.outcome, record.error, record.final) == ("cut", "upstream_cut", True)
    assert record.usage.source == "estimated"


def test_a_stream_that_ends_in_good_order_but_too_early_is_an_error_too(stage: Stage) -> None:
    stage.first.on(script.sse(EVENTS[:2]))
    answer = stage.ask("plain", stream=True)
    assert '"error"' in answer.text
    assert "[DONE]" not in answer.text
    assert stage.gateway.record(stage.correlation).outcome == "cut"


def test_a_stream_that_stops_is_ended_by_the_timeout(stage: Stage) -> None:
    stage.first.on(script.sse([EVENTS[0], script.Hang()]))
    answer = stage.ask("plain", stream=True)
    assert "one" in answer.text
    assert '"error"' in answer.text
    record = stage.gateway.record(stage.correlation)
    assert (record.outcome, record.error) == ("timeout", "event_timeout")
    assert stage.first.requests[0].client_left.wait()


def test_a_stream_that_never_ends_is_ended_by_the_total_timeout(stage: Stage) -> None:
    stage.first.on(script.sse([_chunk("on ")] * 200, pause=0.1))
    answer = stage.ask("plain", stream=True)
    assert '"error"' in answer.text
    assert stage.gateway.record(stage.correlation).error == "total_timeout"


def test_a_whole_answer_that_stops_is_a_timeout(stage: Stage) -> None:
    stage.first.on(
        script.Answer(headers=OK.headers, acts=[script.Send(OK.body[:20]), script.Hang()], content_length=200)
    )
    assert stage.ask("plain").status_code == 504
    assert stage.gateway.record(stage.correlation).outcome == "timeout"


def test_a_whole_answer_that_is_cut_is_a_bad_gateway(stage: Stage) -> None:
    stage.first.on(script.cut_after(OK, 20))
    answer = stage.ask("plain")
    assert answer.status_code == 502
    assert stage.gateway.record(stage.correlation).error == "upstream_cut"


@pytest.mark.parametrize(
    "garbage",
    [
        script.raw("SSH-2.0-OpenSSH_9.6\r\n"),
        script.raw("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd"),
        script.raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        script.raw("HTTP/1.1 200 OK\r\nx: " + "y" * 4_000_000 + "\r\n\r\n"),
    ],
    ids=["another protocol", "two lengths", "bad chunk", "endless head"],
)
def test_what_is_no_http_is_a_bad_gateway(stage: Stage, garbage: script.Answer) -> None:
    stage.first.on(garbage)
    answer = stage.ask("plain")
    assert answer.status_code == 502
    assert answer.json()["error"]["message"]
    assert stage.outcomes(1) == [(1, "first", "error", True)]


def test_a_gzipped_answer_is_read(stage: Stage) -> None:
    stage.first.on(script.Answer(headers=OK.headers, acts=OK.acts, gzipped=True))
    answer = stage.ask("plain")
    assert answer.content == OK.body
    assert stage.gateway.record(stage.correlation).usage.total_tokens == 5


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed(stage: Stage, status: int) -> None:
    stage.first.on(script.reply(status, headers=[("location", f"{stage.second.url}/v1/chat/completions")]))
    stage.second.on(OK)
    answer = stage.ask("plain")
    assert answer.status_code == 502
    assert "location" not in answer.headers
    assert stage.second.url.rpartition(":")[2] not in answer.text
    assert stage.second.requests == []


def test_a_name_of_a_private_address_is_not_called(stage: Stage) -> None:
    answer = stage.ask("named")
    assert answer.status_code == 502
    assert answer.json()["error"]["code"] == "upstream_address_refused"
    assert "127.0.0.1" not in answer.text


# --- keys


def test_the_words_of_a_refused_key_do_not_reach_the_caller(stage: Stage) -> None:
    told = {"error": {"message": f"Incorrect API key provided: {FIRST_KEY}.", "type": "x", "code": "invalid_api_key"}}
    stage.first.on(script.failure(401, json=told))
    answer = stage.ask("plain")
    assert answer.status_code == 401
    assert FIRST_KEY not in answer.text
    assert "operator" in answer.json()["error"]["message"]
    assert FIRST_KEY not in stage.gateway.stderr


def _key_of(upstream: ScriptedUpstream, number: int) -> str:
    return (upstream.requests[number].header("authorization") or "").removeprefix("Bearer ")


@pytest.mark.parametrize("status", [429, 401])
def test_a_call_takes_another_key_when_one_is_throttled_or_refused(stage: Stage, status: int) -> None:
    stage.first.on(script.failure(status, retry_after=20), OK)
    assert stage.ask(f"keys-{status}").status_code == 200
    assert [_key_of(stage.first, number) for number in (0, 1)] == [FIRST_KEY, SECOND_KEY]
    assert [outcome[2] for outcome in stage.outcomes(2)] == ["error", "ok"]
    stage.fresh().first.on(OK)
    for _ in range(3):
        stage.ask(f"keys-{status}")
    assert {_key_of(stage.first, number) for number in range(3)} == {SECOND_KEY}  # the other rests


# --- health


def test_a_failing_upstream_is_left_to_rest_and_tried_again(stage: Stage) -> None:
    stage.first.on(script.failure(500))
    assert [stage.ask("breaking").status_code for _ in range(4)] == [500] * 4
    rested = stage.ask("breaking")
    assert rested.status_code == 503
    assert int(rested.headers["retry-after"]) >= 1
    assert len(stage.first.requests) == 4
    stage.fresh().first.on(OK)
    until(lambda: stage.ask("breaking").status_code == 200, "its recovery", seconds=10)
    assert stage.ask("breaking").status_code == 200


def test_more_calls_than_an_upstream_may_have_are_refused(stage: Stage) -> None:
    stage.first.on(script.Answer(headers=OK.headers, acts=[script.Pause(0.5), *OK.acts], content_length=len(OK.body)))
    with ThreadPoolExecutor(5) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(lambda _: stage.ask("capped"), range(5)))
    assert statuses == [200, 503, 503, 503, 503]
    assert stage.ask("capped").status_code == 200


# --- models


@pytest.mark.parametrize("model", ["no-such-model", "cohere/command-r"])
def test_an_unknown_model_is_refused_in_the_known_words(stage: Stage, model: str) -> None:
    answer = stage.ask("many", model=model)
    assert answer.status_code == 400
    assert answer.json() == {
        "error": f"Failed to parse model from request: Model '{model}' is not in the known unique model map and "
        "multiple providers are configured. Use 'provider/model' format."
    }
    assert not [name for name in answer.headers if name.startswith("x-llm-proxy")]


@pytest.mark.parametrize(
    ("asked", "sent"), [("fast", "m-small"), ("openai/gpt-5", "gpt-5"), ("gpt-4o", "gpt-4o"), ("first/x/y", "x/y")]
)
def test_a_model_is_found_by_alias_prefix_and_known_name(stage: Stage, asked: str, sent: str) -> None:
    stage.first.on(OK)
    answer = stage.ask("many", model=asked)
    assert answer.status_code == 200
    assert stage.first.requests[0].json()["model"] == sent  # type: ignore[index]
    record = stage.gateway.record(stage.correlation)
    assert (record.requested_model, record.target_model, record.served_model) == (asked, sent, "m-1")


# --- callers that leave


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_a_caller_that_leaves_stops_the_upstream_call(stage: Stage, streamed: bool) -> None:
    begun = [script.Send(EVENTS[0].encode())] if streamed else []
    stage.first.on(script.sse([*begun, script.Hang()]) if streamed else script.Answer(before=[script.Hang()]))
    connection = stage.raw("patient", stream=streamed)
    assert stage.first.arrival(1).wait()
    if streamed:
        assert b"200 OK" in connection.recv(4096)
    connection.close()
    assert stage.first.requests[0].client_left.wait(3.0)
    record = stage.gateway.record(stage.correlation)
    assert (record.outcome, record.status) == ("cancelled", 499)
    assert record.usage.source == ("estimated" if streamed else "none")


def test_a_caller_that_leaves_between_two_attempts_leaves_nothing_behind(stage: Stage) -> None:
    stage.first.on(script.failure(429, retry_after=1), OK)
    connection = stage.raw("retrying", stream=False)
    assert stage.first.arrival(1).wait()
    time.sleep(0.2)
    connection.close()
    found = stage.gateway.records(stage.correlation, 2)
    assert [record.outcome for record in found] == ["cancelled", "error"]
    time.sleep(1.2)
    assert len(stage.first.requests) == 1


def test_a_caller_that_leaves_can_have_its_stream_drained_to_its_usage(stage: Stage) -> None:
    stage.first.on(script.sse(EVENTS, pause=0.15))
    connection = stage.raw("draining", stream=True)
    assert b"200 OK" in connection.recv(4096)
    connection.close()
    record = stage.gateway.record(stage.correlation)
    assert (record.usage.source, record.usage.total_tokens) == ("provider", 5)
    assert stage.first.requests[0].answered.wait()
    assert not stage.first.requests[0].client_left.is_set()


# --- slow readers


def test_a_slow_reader_slows_the_upstream_and_gets_everything(stage: Stage) -> None:
    piece = _chunk("x" * 60_000)
    stage.first.on(script.sse([piece] * 300 + EVENTS[2:]))
    connection = stage.raw("patient", stream=True)
    with connection:
        assert stage.first.arrival(1).wait()
        time.sleep(1.0)
        assert not stage.first.requests[0].answered.is_set()  # 18 MB do not wait in the gateway
        (worker,) = stage.gateway.workers()
        resident = int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096
        assert resident < 200 * 1024 * 1024
        received = b""
        while b"data: [DONE]" not in received[-200:]:
            more = connection.recv(1 << 20)
            assert more
            received += more
    assert received.count(b"x" * 60_000) == 300
    assert stage.gateway.record(stage.correlation).usage.total_tokens == 5


# --- every SDK sees a broken stream as an error

ANTHROPIC_EVENTS = [
    (
        "event: message_start\n"
        'data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],'
        '"model":"c","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
        "event: content_block_start\n"
        'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        "event: content_block_delta\n"
        'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"one"}}\n\n'
    )
]
GEMINI_EVENTS = [
    'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"one"}]},"index":0}],"modelVersion":"g"}\n\n'
]
ENDS = {
    "cut": script.Cut(),
    "reset": script.Cut(reset=True),
    "half an event, then cut": script.Send(b'data: {"choi'),
    "silence": script.Hang(),
}


def _broken(events: list[str], end: str) -> script.Answer:
    acts: list[Any] = [*events, script.Pause(0.05), ENDS[end]]
    return script.sse([*acts, script.Cut()] if end.startswith("half") else acts)


@pytest.mark.parametrize("end", ENDS)
def test_a_broken_stream_is_an_error_in_the_openai_sdk(stage: Stage, end: str) -> None:
    stage.first.on(_broken(EVENTS[:2], end))
    with openai.OpenAI(base_url=f"{stage.gateway.url}/plain/v1", api_key="unused", max_retries=0) as client:
        stream = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}], stream=True)
        seen: list[str] = []
        with pytest.raises(openai.APIError):
            seen += [chunk.choices[0].delta.content or "" for chunk in stream]


@pytest.mark.parametrize("end", ENDS)
def test_a_broken_stream_is_an_error_in_the_anthropic_sdk(stage: Stage, end: str) -> None:
    stage.first.on(_broken(ANTHROPIC_EVENTS, end))
    with (
        anthropic.Anthropic(base_url=f"{stage.gateway.url}/anthropic", api_key="unused", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream,
        pytest.raises(anthropic.APIError),
    ):
        stream.get_final_message()


@pytest.mark.parametrize("end", ENDS)
def test_a_broken_stream_is_an_error_in_the_google_sdk(stage: Stage, end: str) -> None:
    stage.first.on(_broken(GEMINI_EVENTS, end))
    options = types.HttpOptions(base_url=f"{stage.gateway.url}/gemini")
    with genai.Client(api_key="unused", http_options=options) as client, pytest.raises(genai_errors.APIError):
        list(client.models.generate_content_stream(model="models/m", contents="hi"))


def test_many_broken_streams_at_once_leave_the_gateway_well(stage: Stage) -> None:
    stage.first.on(script.cut_after(script.sse(EVENTS), 150), script.sse(EVENTS), when_used_up="cycle")
    done = threading.Barrier(8)

    def call(_: int) -> bool:
        done.wait()
        return "[DONE]" in stage.ask("patient", stream=True).text

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(call, range(8))) == 4
    stage.fresh().first.on(OK)
    assert stage.ask("patient").status_code == 200
