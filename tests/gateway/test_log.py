"""Log lines: what is in them, and what never is."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollway.gateway.clock import SystemClock
from tollway.gateway.log import Level, Log

LEVELS: list[Level] = ["debug", "info", "warning", "error"]
SECRET = "sk-7261"


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.parametrize("level", LEVELS)
def test_lines_of_its_level_and_above_are_written(level: Level, capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(SystemClock(), level=level)
    for one in LEVELS:
        getattr(log, one)(f"a line of {one}")
    assert [line["level"] for line in written(capsys)] == LEVELS[LEVELS.index(level) :]


def test_a_line_has_its_time_its_message_and_what_was_named(capsys: pytest.CaptureFixture[str]) -> None:
    clock = SystemClock()
    before = clock.wall_us()
    Log(clock, fields={"worker": 3}).warning("disk is filling", path=Path("/data"), free=Decimal("0.5"))
    (line,) = written(capsys)
    assert before <= line.pop("time_us") <= clock.wall_us()
    assert line == {"level": "warning", "message": "disk is filling", "worker": 3, "path": "/data", "free": "0.5"}


def test_a_message_with_line_ends_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Log(SystemClock()).info("two\nlines", value='quo"te')
    (line,) = written(capsys)
    assert (line["message"], line["value"]) == ("two\nlines", 'quo"te')


def _deep(depth: int) -> None:
    if depth:
        _deep(depth - 1)
    raise ValueError(f"the key was {SECRET}")


def test_a_defect_tells_where_it_happened_and_no_values(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        _deep(0)
    except ValueError as error:
        Log(SystemClock()).defect("a call failed", error)
    (line,) = written(capsys)
    assert (line["level"], line["message"], line["error"]) == ("error", "a call failed", "ValueError")
    assert line["stack"][-1].startswith("test_log.py:")
    assert line["stack"][-1].endswith(" _deep")
    assert SECRET not in str(line)
    assert str(Path(__file__).parent) not in str(line)


def test_a_deep_stack_is_cut_to_its_innermost_calls(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        _deep(30)
    except ValueError as error:
        Log(SystemClock()).defect("a call failed", error)
    (line,) = written(capsys)
    assert len(line["stack"]) == 12
    assert all(frame.endswith(" _deep") for frame in line["stack"])


def test_the_level_may_change(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(SystemClock(), level="error")
    log.info("before")
    log.level = "info"
    log.info("after")
    assert [line["message"] for line in written(capsys)] == ["after"]
