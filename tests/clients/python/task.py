"""What every script here does alike: reads its task, runs the checks, prints what came of each.

Runs in the environment of the client under test, so it imports nothing but the standard library.
"""

import json  # noqa: TID251 - a client's environment has no other
import sys
import traceback
from collections.abc import Callable
from typing import Any

CAPITAL = "What is the capital of France?"
LONG = "Write 200 words about roads."
"""Answered at length, so that a caller can leave in the middle."""
WEATHER = "What is the weather in Paris?"
TOLD = "17 degrees and drizzle"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

TASK: dict[str, Any] = json.loads(sys.argv[1])
"""`url`, `key`, `model`, `missing`, `stalling`, `embedding`, and `speaks` where one script knows several APIs."""


def weather(city: str) -> str:
    """Tell the weather in a city."""
    return f"{TOLD} in {city}"


def run(**checks: Callable[[], Any]) -> None:
    """Run the checks, print one JSON object; what a check raises is its result."""
    wanted = TASK["checks"]
    unknown = sorted(set(wanted) - set(checks))
    if unknown:
        sys.exit(f"no check {unknown}")
    sys.stdout.write(json.dumps({name: _outcome(checks[name]) for name in wanted}) + "\n")


def _outcome(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what the proof is about
        traceback.print_exc()
        return {"raised": _family(error), "status": _status(error), "message": str(error)}


def _family(error: BaseException) -> list[str]:
    """Names of an error's classes and of those it was raised from: frameworks wrap what SDKs raise."""
    names = [one.__name__ for one in type(error).__mro__ if one not in (object, BaseException, Exception)]
    cause = error.__cause__ or error.__context__
    return [*names, *(_family(cause) if cause is not None else [])]


def _status(error: BaseException | None) -> int:
    while error is not None:
        for name in ("status_code", "code", "status"):
            value = getattr(error, name, None)
            if isinstance(value, int):
                return value
        if isinstance(getattr(error, "response", None), dict):  # botocore's
            return error.response["ResponseMetadata"]["HTTPStatusCode"]
        error = error.__cause__ or error.__context__
    return 0
