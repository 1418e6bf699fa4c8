"""Broken answers on demand, as a client on the wire sees them."""

import itertools
import socket
import time

import httpx
import pytest

from tollway.testing.sim.exchange import cached

BODY = {"model": "sim", "messages": [{"role": "user", "content": "Write 40 words."}]}
PATH = "/v1/chat/completions"


def names(text):
    return text.count("data: ")


def test_a_slow_answer_comes_after_its_delay(call):
    started = time.monotonic()
    assert call("openai").post(PATH, BODY | {"model": "sim-slow-1"}).status_code == 200
    # A lower bound is no race: the answer must not come before its time.
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_a_cut_answer_is_an_error_to_the_client(call, kind, stream):
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        call("openai").post(PATH, BODY | {"model": f"sim-{kind}", "stream": stream})


def test_a_cut_stream_gives_so_many_events_and_half_of_the_next(call):
    got = b""

    def read(answer):
        nonlocal got
        for data in answer.iter_bytes():
            got += data

    caller = call("openai")
    asked = BODY | {"model": "sim-cut-5", "stream": True}
    with (
        caller.client.stream("POST", caller.base + PATH, json=asked, headers=caller.headers) as answer,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        read(answer)
    assert got.count(b"\n\n") == 5
    assert not got.endswith(b"\n\n")


@pytest.mark.parametrize("model", ["sim-hang", "sim-stall"])
def test_a_hanging_answer_lets_the_client_wait(call, model):
    caller = call("openai")
    with httpx.Client(timeout=httpx.Timeout(10, read=0.3)) as client, pytest.raises(httpx.ReadTimeout):
        client.post(caller.base + PATH, json=BODY | {"model": model, "stream": True}, headers=caller.headers)


@pytest.mark.parametrize(
    ("provider", "path", "body"),
    [
        ("openai", PATH, BODY),
        ("openai", "/v1/responses", {"input": "hello"}),
        ("anthropic", "/v1/messages", BODY | {"max_tokens": 100}),
        ("gemini", "/v1beta/models/sim-garble:generateContent", {"contents": [{"parts": [{"text": "x"}]}]}),
    ],
    ids=["chat", "responses", "messages", "generate"],
)
def test_a_garbled_answer_is_no_json(call, provider, path, body):
    sent = body if provider == "gemini" else body | {"model": "sim-garble"}
    answer = call(provider).post(path, sent)
    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_a_flaky_model_fails_every_other_time(call):
    statuses = [call("openai").post(PATH, BODY | {"model": "gpt-4-sim-flaky"}).status_code for _ in range(4)]
    assert statuses == [503, 200, 503, 200]


def test_ids_and_times_never_repeat(call):
    answers = [call("openai").post(PATH, BODY).json() for _ in range(3)]
    for one, other in itertools.pairwise(answers):
        assert one["id"] != other["id"]
        assert one["created"] < other["created"]


@pytest.mark.parametrize(("prompt", "found"), [(0, 0), (1023, 0), (1024, 1024), (4000, 2944)])
def test_prompts_are_cached_in_whole_blocks_from_a_length_on(prompt, found):
    assert cached(prompt) == found


def test_a_client_that_leaves_in_mid_stream_does_not_disturb_the_next(call, sim):
    head = f"POST /openai{PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n"
    body = b'{"model":"sim-stall","stream":true,"messages":[{"role":"user","content":"x"}]}'
    with socket.create_connection(("127.0.0.1", sim.port)) as raw:
        raw.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body)
        assert raw.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert call("openai").post(PATH, BODY).status_code == 200
