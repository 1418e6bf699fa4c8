"""Starting, stopping, and taking over a changed configuration: no call is dropped on the way."""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.test_durability import PATH, STREAMED, WHOLE, both_loads, resources
from tests.e2e.test_failures import EVENTS, OK
from tests.support.load import Load
from tests.support.running import Gateway, Program, alive, environment, free_port, until

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as running:
        running.on(OK, model="whole")
        running.on(script.sse(EVENTS, pause=0.25), model="streamed")
        yield running


class Streaming:
    """One caller in the middle of a stream."""

    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream) -> None:
        """Begin the stream; return when its first event is there."""
        self.text = ""
        self.error: Exception | None = None
        self._begun = threading.Event()
        self._url = gateway.url
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._begun.wait(10)
        assert upstream.requests

    def _read(self) -> None:
        try:
            headers = {"x-correlation-id": "streaming"}
            with httpx.stream("POST", f"{self._url}{PATH}", content=STREAMED, headers=headers, timeout=20) as answer:
                for text in answer.iter_text():
                    self.text += text
                    self._begun.set()
        except httpx.HTTPError as error:
            self.error = error
        self._begun.set()

    def finish(self) -> None:
        """Wait for its end, good or bad."""
        self._thread.join(20)
        assert not self._thread.is_alive()


def _with_header(base: dict[str, Any], value: str) -> dict[str, Any]:
    """The same configuration, with a header by which answers tell under which one they were given."""
    inject = {"policy": "header-injection", "config": {"outboundHeaders": [{"key": "x-version", "value": value}]}}
    return {**base, "llm_proxies": [{**base["llm_proxies"][0], "policies": [inject]}]}


def _version(gateway: Gateway) -> str | None:
    return httpx.post(f"{gateway.url}{PATH}", content=WHOLE).headers.get("x-version")


def _serves(gateway: Gateway, value: str) -> None:
    until(lambda: _version(gateway) == value, f"version {value}")


# --- stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_a_running_stream_finish(
    upstream: ScriptedUpstream, tmp_path: Path, number: signal.Signals
) -> None:
    with Gateway(tmp_path, resources(tmp_path, upstream, workers=2)) as gateway:
        streaming = Streaming(gateway, upstream)
        gateway.signal(number)
        until(lambda: not _answers(gateway), "the end of new calls")
        streaming.finish()
        assert streaming.error is None
        assert streaming.text.endswith("data: [DONE]\n\n")
        assert gateway.wait() == 0
    (row,) = [row for row in gateway.ledger() if row["correlation_id"] == "streaming"]
    assert (row["outcome"], row["usage"]) == ("ok", {"input_fresh": 3, "output_text": 2})


def _answers(gateway: Gateway) -> bool:
    try:
        return httpx.get(f"{gateway.url}/probes/readiness", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def test_a_stop_does_not_wait_for_ever(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.forget()
    upstream.on(script.sse([EVENTS[0], script.Hang()]))
    with Gateway(tmp_path, resources(tmp_path, upstream, workers=1, drain="500ms")) as gateway:
        streaming = Streaming(gateway, upstream)
        workers = gateway.workers()
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 5
        streaming.finish()
        assert "[DONE]" not in streaming.text
        assert streaming.error is not None or '"error"' in streaming.text
        assert not [pid for pid in workers if alive(pid)]
    (row,) = [row for row in gateway.ledger() if row["correlation_id"] == "streaming"]
    assert row["outcome"] == "cancelled"


def test_idle_connections_do_not_hold_up_a_stop(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Gateway(tmp_path, resources(tmp_path, upstream, workers=1)) as gateway, httpx.Client() as idle:
        assert idle.post(f"{gateway.url}{PATH}", content=WHOLE).status_code == 200
        began = time.monotonic()
        assert gateway.stop() == 0
        assert time.monotonic() - began < 5


# --- starting


def test_a_configuration_that_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "tollway.yaml"
    config.write_text("llm_proxies:\n  - name: p\n    base_path: /p\n    routes: []\n    colour: red\n")
    program = Program(tmp_path, ["gateway", "--config", str(config)])
    program.start()
    assert program.wait() == 1
    assert re.search(r"tollway\.yaml:5:5: .*colour", program.stderr)
    assert "Traceback" not in program.stderr


def test_an_address_that_is_taken_is_told(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        wanted = {**resources(tmp_path, upstream, workers=1)}
        wanted["listeners"] = [{"name": "default", "address": f"127.0.0.1:{port}"}]
        gateway = Gateway(tmp_path, wanted)
        Program.start(gateway)
        assert gateway.wait() == 1
        assert f"127.0.0.1:{port} is in use by another program" in gateway.stderr
        assert "Traceback" not in gateway.stderr


def test_two_gateways_do_not_share_an_address_in_silence(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    config = resources(tmp_path, upstream, workers=1)
    with Gateway(tmp_path / "one", config):
        second = Gateway(tmp_path / "two", config)
        Program.start(second)
        assert second.wait() == 1
        assert "in use" in second.stderr


def test_a_secret_that_is_missing_is_told_by_its_name(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    config = resources(tmp_path, upstream, workers=1)
    config["credentials"] = [{"name": "key", "values": "${env:NO_SUCH_KEY}"}]
    gateway = Gateway(tmp_path, config, environment())
    Program.start(gateway)
    assert gateway.wait() == 1
    assert "NO_SUCH_KEY" in gateway.stderr
    assert re.search(r"tollway\.yaml:\d+:\d+: ", gateway.stderr)


# --- reloading


def test_a_changed_configuration_is_taken_over_without_dropping_a_call(
    upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    upstream.forget()
    upstream.on(OK, model="whole")
    upstream.on(script.sse(EVENTS, pause=0.01), model="streamed")
    base = resources(tmp_path, upstream, workers=2)
    with Gateway(tmp_path, base) as gateway, both_loads(gateway) as loads:
        for version in range(4):
            gateway.write(_with_header(base, str(version)))
            _serves(gateway, str(version))
    for load in loads:
        assert load.broken == []
        assert set(load.statuses) == {200}


def test_a_stream_keeps_the_configuration_it_began_with(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    base = resources(tmp_path, upstream, workers=1)
    with Gateway(tmp_path, base) as gateway:
        streaming = Streaming(gateway, upstream)
        moved = {**base["llm_proxies"][0], "name": "moved", "base_path": "/moved"}
        gateway.write({**base, "llm_proxies": [moved]})
        url = f"{gateway.url}{PATH}"
        until(lambda: httpx.post(url, content=WHOLE).status_code == 404, "the removal of the proxy", seconds=3)
        assert "[DONE]" not in streaming.text
        streaming.finish()
        assert streaming.error is None
        assert streaming.text.endswith("data: [DONE]\n\n")
        assert gateway.record("streaming").proxy == "p"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ("llm_proxies: [", r"tollway\.yaml:\d+:\d+: "),
        ("llm_proxies:\n  - name: p\n    base_pat: /p\n", r"tollway\.yaml:3:5: .*base_pat"),
        (
            "llm_proxies:\n  - name: p\n    base_path: /p\n    routes:\n      - name: a\n        provider: openay\n",
            r"tollway\.yaml:6:\d+: .*openay",
        ),
    ],
    ids=["no YAML", "unknown key", "unknown provider"],
)
def test_a_broken_configuration_is_refused_whole_and_the_old_one_keeps_serving(
    upstream: ScriptedUpstream, tmp_path: Path, broken: str, told: str
) -> None:
    base = _with_header(resources(tmp_path, upstream, workers=1), "good")
    with Gateway(tmp_path, base) as gateway:
        gateway.write_text(broken)
        until(lambda: re.search(told, gateway.stderr), "the refusal, with its place")
        assert _version(gateway) == "good"
        assert httpx.get(f"{gateway.url}/probes/readiness").status_code == 200
        gateway.write(_with_header(base, "mended"))
        _serves(gateway, "mended")


def test_sighup_reads_the_configuration_again(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    base = resources(tmp_path, upstream, workers=1)
    with Gateway(tmp_path, _with_header(base, "one")) as gateway:
        before = gateway.config.stat()
        text = gateway.config.read_text()
        # Written in place, of the same size and age: nothing that watches files can see it.
        gateway.config.write_text(text.replace("value: one", "value: two"))
        os.utime(gateway.config, ns=(before.st_atime_ns, before.st_mtime_ns))
        gateway.signal(signal.SIGHUP)
        _serves(gateway, "two")


def test_a_changed_secret_file_is_noticed(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    with Gateway(tmp_path, resources(tmp_path, upstream, workers=1)) as gateway:
        (tmp_path / "key.key").write_text("sk-the-next-key")

        def sent() -> bool:
            httpx.post(f"{gateway.url}{PATH}", content=WHOLE)
            return upstream.requests[-1].header("authorization") == "Bearer sk-the-next-key"

        until(sent, "the next key")


def test_listeners_come_and_go(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    base = resources(tmp_path, upstream, workers=2)
    first = base["listeners"][0]
    port = free_port()
    second = {"name": "second", "address": f"127.0.0.1:{port}"}
    with Gateway(tmp_path, base) as gateway, Load(lambda: gateway.url, PATH, WHOLE) as load:
        gateway.write({**base, "listeners": [first, second]})
        until(lambda: _status(port) == 200, "answers on the added listener")
        gateway.write(base)
        until(lambda: _status(port) == 0, "the end of the removed listener")
        with socket.socket() as mine:  # the address is free for others again, whatever connections linger there
            mine.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            mine.bind(("127.0.0.1", port))
            mine.listen()
        gateway.write({**base, "listeners": [first, second]})
        until(lambda: _status(port) == 200, "answers on the listener that came back")
    assert load.broken == []
    assert set(load.statuses) == {200}


def _status(port: int) -> int:
    try:
        return httpx.post(f"http://127.0.0.1:{port}{PATH}", content=WHOLE).status_code
    except httpx.ConnectError:
        return 0


def test_a_port_chosen_by_the_system_stays_through_a_reload(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    base = resources(tmp_path, upstream, workers=1)
    base["listeners"] = [{"name": "default", "address": "127.0.0.1:0"}]
    with Gateway(tmp_path, _with_header(base, "one")) as gateway:
        gateway.write(_with_header(base, "two"))
        _serves(gateway, "two")


def test_workers_come_and_go_while_streams_go_on(upstream: ScriptedUpstream, tmp_path: Path) -> None:
    base = resources(tmp_path, upstream, workers=1)
    with Gateway(tmp_path, base) as gateway:

        def have(workers: int) -> None:
            gateway.write({**base, "gateway": {**base["gateway"], "workers": workers}})
            until(lambda: len(gateway.workers()) == workers, f"{workers} workers")

        have(3)
        streams = [Streaming(gateway, upstream) for _ in range(6)]
        have(1)
        for streaming in streams:
            streaming.finish()
            assert streaming.error is None
            assert streaming.text.endswith("data: [DONE]\n\n")
        assert httpx.post(f"{gateway.url}{PATH}", content=WHOLE).status_code == 200


@pytest.mark.parametrize("keep_alive", [True, False], ids=["kept alive", "one connection a call"])
def test_fewer_workers_drop_no_call(upstream: ScriptedUpstream, tmp_path: Path, keep_alive: bool) -> None:
    base = resources(tmp_path, upstream, workers=3)
    with Gateway(tmp_path, base) as gateway, Load(lambda: gateway.url, PATH, WHOLE, keep_alive=keep_alive) as load:
        for workers in (1, 3, 2):
            time.sleep(0.2)
            gateway.write({**base, "gateway": {**base["gateway"], "workers": workers}})
            until(lambda wanted=workers: len(gateway.workers()) == wanted, f"{workers} workers")
    assert load.broken == []
    assert set(load.statuses) == {200}
