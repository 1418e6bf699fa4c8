"""Every answer a caller got complete is in the ledger once, whichever process is killed when."""

import contextlib
import os
import re
import resource
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.e2e.test_failures import EVENTS, OK
from tests.support.load import Load
from tests.support.running import Gateway, alive, free_port, key_file, until

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

MESSAGES = [{"role": "user", "content": "hi"}]
WHOLE = msgspec.json.encode({"model": "whole", "messages": MESSAGES})
STREAMED = msgspec.json.encode({"model": "streamed", "messages": MESSAGES, "stream": True})
PATH = "/p/v1/chat/completions"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        running.on(OK, model="whole")
        running.on(script.sse(EVENTS, pause=0.002), model="streamed")
        yield running


def resources(folder: Path, upstream: ScriptedUpstream, *, workers: int, **gateway: Any) -> dict[str, Any]:
    """One proxy on a port that stays the same."""
    route = {
        "name": "first",
        "provider": "openai",
        "credential": "key",
        "url": upstream.url,
        "health": {"minimum_calls": 100_000},
    }
    return {
        "gateway": {"workers": workers, **gateway},
        "listeners": [{"name": "default", "address": f"127.0.0.1:{free_port()}"}],
        "credentials": [{"name": "key", "values": key_file(folder)}],
        "llm_proxies": [{"name": "p", "base_path": "/p", "routes": [route], "retries": {"attempts": 0}}],
    }


@contextlib.contextmanager
def both_loads(gateway: Gateway) -> Iterator[tuple[Load, Load]]:
    """Call for whole and for streamed answers."""
    with (
        Load(lambda: gateway.url, PATH, WHOLE, connections=6) as whole,
        Load(lambda: gateway.url, PATH, STREAMED, connections=4, streamed=True) as streamed,
    ):
        yield whole, streamed


def assert_each_is_there_once(gateway: Gateway, loads: tuple[Load, ...]) -> None:
    """Compare what callers have with what the stopped gateway's ledger has."""
    rows = gateway.ledger()
    seen = Counter(row["correlation_id"] for row in rows)
    assert [correlation for correlation, times in seen.items() if times > 1] == []
    assert len({row["id"] for row in rows}) == len(rows)
    by_correlation = {row["correlation_id"]: row for row in rows}
    for load in loads:
        answered = [correlation for correlation, status in load.complete.items() if status == 200]
        assert len(answered) > 20
        assert [one for one in answered if one not in by_correlation] == []
        for one in answered:
            row = by_correlation[one]
            assert (row["outcome"], row["usage"]) == ("ok", {"input_fresh": 3, "output_text": 2})
    assert set(by_correlation) <= {one for load in loads for one in load.begun}
    with contextlib.closing(sqlite3.connect(gateway.data_dir / "ledger.sqlite3")) as db:
        assert db.execute("SELECT sum(attempts) FROM rollup").fetchone() == (len(rows),)
        assert db.execute("SELECT count(*) FROM quarantined").fetchone() == (0,)


def _progress(loads: tuple[Load, Load], more: int = 30) -> None:
    """Wait until callers got some more answers."""
    before = [len(load.complete) for load in loads]
    until(
        lambda: all(len(load.complete) >= had + more for load, had in zip(loads, before, strict=True)),
        "more answers",
        seconds=30,
    )


def _kill_a_worker(gateway: Gateway) -> None:
    os.kill(gateway.workers()[0], signal.SIGKILL)


def _kill_the_supervisor(gateway: Gateway) -> None:
    workers = gateway.workers()
    gateway.kill()
    until(lambda: not any(alive(pid) for pid in workers), "the end of workers without a supervisor")
    gateway.start()


def _kill_all(gateway: Gateway) -> None:
    workers = gateway.workers()
    os.kill(gateway.pid, signal.SIGSTOP)  # it shall not see its workers die before it dies itself
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    gateway.kill()
    gateway.start()


_KILLS = {"a worker": _kill_a_worker, "the supervisor": _kill_the_supervisor, "all": _kill_all}


@pytest.mark.parametrize("kill", _KILLS)
def test_no_answer_is_lost_or_counted_twice_when_processes_are_killed(
    upstream: ScriptedUpstream, tmp_path: Path, kill: str
) -> None:
    gateway = Gateway(tmp_path, resources(tmp_path, upstream, workers=2))
    with gateway, both_loads(gateway) as loads:
        _progress(loads)
        _KILLS[kill](gateway)
        _progress(loads)
    assert_each_is_there_once(gateway, loads)


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_no_answer_is_lost_however_often_processes_are_killed(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, resources(tmp_path, upstream, workers=3))
    with gateway, both_loads(gateway) as loads:
        for round_number in range(30):
            _progress(loads)
            time.sleep(0.05 * (round_number % 7))
            list(_KILLS.values())[round_number % 3](gateway)
        _progress(loads)
    assert_each_is_there_once(gateway, loads)


def test_a_killed_worker_is_replaced_and_the_others_go_on(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Gateway(tmp_path, resources(tmp_path, upstream, workers=2)) as gateway:
        before = set(gateway.workers())
        assert len(before) == 2
        os.kill(min(before), signal.SIGKILL)
        after = until(lambda: len(found := set(gateway.workers())) == 2 and found != before and found, "a new worker")
        assert len(after & before) == 1
        until(lambda: httpx.post(f"{gateway.url}{PATH}", content=WHOLE).status_code == 200, "answers")
        assert "a worker ended; starting another" in gateway.stderr


def test_a_clean_stop_leaves_everything_in_the_ledger(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, resources(tmp_path, upstream, workers=2))
    with gateway, both_loads(gateway) as loads:
        _progress(loads, 100)
    assert_each_is_there_once(gateway, loads)
    assert gateway.wait() == 0
    assert loads[0].broken == loads[1].broken == []


def test_no_call_is_taken_while_records_cannot_be_kept(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Gateway(tmp_path, resources(tmp_path, upstream, workers=1)) as gateway:
        url = f"{gateway.url}{PATH}"
        assert httpx.post(url, content=WHOLE).status_code == 200
        (worker,) = gateway.workers()
        spool = next((gateway.data_dir / "spool").glob("*.jsonl"))
        # The file-size limit of the worker stands in for a full disk.
        soft, hard = resource.prlimit(worker, resource.RLIMIT_FSIZE)
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (spool.stat().st_size, hard))
        httpx.post(url, content=WHOLE)
        refused = until(lambda: (a := httpx.post(url, content=WHOLE)).status_code == 503 and a, "a refusal")
        assert refused.json()["error"]["code"] == "not_ready"
        assert httpx.get(f"{gateway.url}/probes/readiness").status_code == 503
        calls = len(upstream.requests)
        assert httpx.post(url, content=WHOLE).status_code == 503
        assert len(upstream.requests) == calls
        resource.prlimit(worker, resource.RLIMIT_FSIZE, (soft, hard))
        until(lambda: httpx.post(url, content=WHOLE).status_code == 200, "calls being taken again")


def test_metrics_and_ledger_count_the_calls_of_all_workers(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    wanted = resources(tmp_path, upstream, workers=2, admin=f"127.0.0.1:{(port := free_port())}")
    gateway = Gateway(tmp_path, wanted)
    with gateway, Load(lambda: gateway.url, PATH, WHOLE, keep_alive=False) as load:
        until(lambda: len(load.complete) > 100, "some calls")
        load.stop()
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert httpx.get(f"http://127.0.0.1:{port}/probes/readiness").status_code == 200
    counted = re.findall(r"^tollway_requests_total\{.*\} (\S+)$", text, re.MULTILINE)
    assert sum(int(float(one)) for one in counted) == len(load.complete) == len(gateway.ledger())
    assert re.search(r"^tollway_workers 2$", text, re.MULTILINE)
