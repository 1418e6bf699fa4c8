"""A gateway from a configuration file: what it reads, when it reads it again, and what it says when it serves."""

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.support.running import lines, until

from tollway.cli.local_gateway import LocalGateway
from tollway.cli.supervisor import StartRefused
from tollway.config.problems import ConfigErrors

PROXY = "{{name: p, base_path: /{base}, routes: [{{name: r, provider: ollama}}]}}"


def written(folder: Path, base: str, *, address: str = "127.0.0.1:0", name: str = "tollway.yaml") -> Path:
    file = folder / name
    fresh = folder / "fresh"
    fresh.write_text(
        f"gateway: {{data_dir: data, drain: 1s}}\n"
        f"listeners: [{{name: main, address: '{address}'}}]\n"
        f"llm_proxies: [{PROXY.format(base=base)}]\n"
    )
    fresh.replace(file)
    return file


def serve(config: Path, test: Callable[[list[str]], None]) -> None:
    """Run the gateway here, as its command does, and the test beside it; SIGTERM ends both."""
    failure: list[BaseException] = []

    def beside(urls: list[str]) -> None:
        try:
            test(urls)
        except BaseException as error:  # noqa: BLE001 - it is raised in the test's own thread
            failure.append(error)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    threads: list[threading.Thread] = []

    def on_ready(urls: list[str]) -> None:
        threads.append(threading.Thread(target=beside, args=(urls,)))
        threads[0].start()

    LocalGateway(config).run(on_ready=on_ready)
    threads[0].join()
    if failure:
        raise failure[0]


def has(url: str, path: str) -> bool:
    return httpx.get(f"{url}{path}/v1/models", trust_env=False).status_code == 200


def test_a_changed_file_is_served_and_a_broken_one_is_not(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = written(tmp_path, "first")

    def look(urls: list[str]) -> None:
        (url,) = urls
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert has(url, "/first")
        written(tmp_path, "second")
        until(lambda: has(url, "/second"), "the changed configuration")
        assert not has(url, "/first")
        config.write_text("llm_proxies: 5\n")
        until(lambda: "is not a list" in capfd.readouterr().err, "a word about the broken file")
        assert has(url, "/second")

    serve(config, look)


def test_a_folder_is_a_configuration_too_and_may_get_more_files(tmp_path: Path) -> None:
    folder = tmp_path / "conf"
    folder.mkdir()
    written(folder, "first", name="a.yaml")

    def look(urls: list[str]) -> None:
        (folder / "b.yaml").write_text(
            "llm_proxies: [{name: q, base_path: /more, routes: [{name: r, provider: ollama}]}]\n"
        )
        until(lambda: has(urls[0], "/more"), "the new file")
        assert has(urls[0], "/first")

    serve(folder, look)


def test_an_address_of_ip_version_6_is_told_as_urls_have_it(tmp_path: Path) -> None:
    def look(urls: list[str]) -> None:
        assert re.fullmatch(r"http://\[::1\]:\d+", urls[0])
        assert has(urls[0], "/p")

    try:
        serve(written(tmp_path, "p", address="[::1]:0"), look)
    except StartRefused as error:
        if "Cannot assign" not in str(error):
            raise
        pytest.skip("this machine has no IPv6 loopback")


def test_what_is_wrong_at_the_start_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match="cannot be read"):
        LocalGateway(tmp_path / "none.yaml")
    with pytest.raises(StartRefused, match=r"192\.0\.2\.1:8081 cannot be listened on"):
        LocalGateway(written(tmp_path, "p", address="192.0.2.1:8081")).run(on_ready=print)


def test_doubts_about_the_configuration_are_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LocalGateway(written(tmp_path, "p", address="0.0.0.0:8081"))
    (line,) = lines(capsys.readouterr().err)
    assert (line["level"], "plain HTTP" in line["message"]) == ("warning", True)
