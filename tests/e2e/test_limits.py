"""Token limits: exact across the workers of one machine, told to callers, and kept through restarts."""

import math
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from tests.e2e.test_durability import PATH, STREAMED, WHOLE, resources
from tests.e2e.test_failures import EVENTS, OK
from tests.support.load import Load
from tests.support.running import Gateway, key_file, until

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

TOKENS_A_CALL = 5
OUTPUT_TOKENS_A_CALL = 2
SECRET = "limits-client-secret"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        running.on(OK, model="whole")
        running.on(script.sse(EVENTS), model="streamed")
        yield running


def _limited(folder: Path, upstream: ScriptedUpstream, *limits: dict[str, int], workers: int = 2) -> dict[str, Any]:
    base = resources(folder, upstream, workers=workers)
    config = {"keySelector": "#[attributes.headers['client_id']]", "limits": list(limits)}
    policies = [{"policy": "client-id-enforcement"}, {"policy": "llm-token-rate-limit", "config": config}]
    secret = key_file(folder, "client", SECRET)
    clients = [{"name": name, "client_id": name, "secrets": [secret]} for name in ("one", "two")]
    proxy = {**base["llm_proxies"][0], "policies": policies, "contracts": "all"}
    return {**base, "clients": clients, "llm_proxies": [proxy]}


def _as(client: str) -> dict[str, str]:
    return {"client_id": client, "client_secret": SECRET}


def _ask(gateway: Gateway, client: str = "one", body: bytes = WHOLE) -> httpx.Response:
    return httpx.post(f"{gateway.url}{PATH}", content=body, headers=_as(client))


@pytest.mark.parametrize(
    ("limit", "admitted", "streamed"),
    [
        ({"totalTokens": 333}, math.ceil(333 / TOKENS_A_CALL), False),
        ({"totalTokens": 200}, math.ceil(200 / TOKENS_A_CALL), True),
        ({"completionTokens": 101}, math.ceil(101 / OUTPUT_TOKENS_A_CALL), False),
        ({"totalTokens": 1000, "promptTokens": 150}, 150 // 3, False),
    ],
    ids=["total", "streamed", "completion", "the lower of two"],
)
def test_a_limit_is_exact_however_many_call_at_once(
    upstream: ScriptedUpstream, tmp_path: Path, limit: dict[str, int], admitted: int, streamed: bool
) -> None:
    hour = {**limit, "timePeriodInMilliseconds": 3_600_000}
    body = STREAMED if streamed else WHOLE
    with Gateway(tmp_path, _limited(tmp_path, upstream, hour)) as gateway:

        def load(client: str, connections: int) -> Load:
            return Load(
                lambda: gateway.url, PATH, body, connections=connections, headers=_as(client), streamed=streamed
            )

        with load("one", 10) as one, load("two", 3) as two:
            for caller in (one, two):
                until(lambda who=caller: who.statuses[200] >= admitted, "the last admitted call", seconds=40)
                refused = caller.statuses[429]
                until(lambda who=caller, had=refused: who.statuses[429] >= had + 50, "refusals", seconds=40)
        for caller in (one, two):
            assert caller.broken == []
            assert set(caller.statuses) == {200, 429}
            assert caller.statuses[200] == admitted
    used = [row["usage"] for row in gateway.ledger() if row["client_id"] == "one" and row["outcome"] == "ok"]
    assert used == [{"input_fresh": 3, "output_text": 2}] * admitted


def test_callers_are_told_what_is_left_and_when_to_come_again(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    limit = {"totalTokens": 12, "timePeriodInMilliseconds": 600_000}
    with Gateway(tmp_path, _limited(tmp_path, upstream, limit, workers=1)) as gateway:
        seen = [_ask(gateway) for _ in range(4)]
        assert [answer.status_code for answer in seen] == [200, 200, 200, 429]
        assert [answer.headers["x-token-limit"] for answer in seen] == ["12"] * 4
        assert [int(answer.headers["x-token-remaining"]) for answer in seen] == [7, 2, 0, 0]
        assert all(0 < int(answer.headers["x-token-reset"]) <= 600_000 for answer in seen)
        refused = seen[-1]
        assert 1 <= int(refused.headers["retry-after"]) <= 600
        assert refused.json()["error"]["message"]
        correlation = refused.headers["x-correlation-id"]
        record = gateway.record(correlation)
        assert (record.outcome, record.policy, record.attempt) == ("refused", "llm-token-rate-limit", 0)
        calls = len(upstream.requests)
        assert _ask(gateway).status_code == 429
        assert len(upstream.requests) == calls
        assert _ask(gateway, "two").status_code == 200


def test_the_sdk_raises_its_own_rate_limit_error(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    limit = {"totalTokens": 1, "timePeriodInMilliseconds": 3_600_000}
    with (
        Gateway(tmp_path, _limited(tmp_path, upstream, limit, workers=1)) as gateway,
        openai.OpenAI(
            base_url=f"{gateway.url}/p", api_key="unused", default_headers=_as("one"), max_retries=0
        ) as client,
    ):
        messages: list[Any] = [{"role": "user", "content": "hi"}]
        client.chat.completions.create(model="whole", messages=messages)
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="whole", messages=messages)


def test_a_window_ends(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    limit = {"totalTokens": 5, "timePeriodInMilliseconds": 1_500}
    with Gateway(tmp_path, _limited(tmp_path, upstream, limit, workers=1)) as gateway:
        assert [_ask(gateway).status_code for _ in range(2)] == [200, 429]
        until(lambda: _ask(gateway).status_code == 200, "the next window")


def test_what_was_used_is_remembered_through_kills_and_restarts(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    limit = {"totalTokens": 10, "timePeriodInMilliseconds": 3_600_000}
    with Gateway(tmp_path, _limited(tmp_path, upstream, limit, workers=1)) as gateway:
        assert [_ask(gateway).status_code for _ in range(3)] == [200, 200, 429]
        (worker,) = gateway.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: gateway.workers() not in ([], [worker]), "another worker")
        assert until(lambda: _tried(gateway), "answers") == 429
        gateway.stop()
        gateway.start()
        assert _ask(gateway).status_code == 429
        assert _ask(gateway, "two").status_code == 200


def _tried(gateway: Gateway) -> int:
    try:
        return _ask(gateway).status_code
    except httpx.HTTPError:
        return 0


def test_a_failed_call_costs_nothing(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    limit = {"totalTokens": 10, "timePeriodInMilliseconds": 3_600_000}
    with ScriptedUpstream() as failing, Gateway(tmp_path, _limited(tmp_path, failing, limit, workers=1)) as gateway:
        failing.on(script.failure(500), script.failure(400), script.failure(429), OK)
        assert [_ask(gateway).status_code for _ in range(6)] == [500, 400, 429, 200, 200, 429]
