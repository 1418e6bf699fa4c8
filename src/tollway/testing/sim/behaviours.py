"""Troubles on demand: a model name or a header that makes the simulator misbehave.

`sim-429` and `gpt-4o-sim-429` are read as the models `sim` and `gpt-4o` with the trouble
`429`; the header `x-sim-behavior: 429` asks for the same with any model. A second number
sets the amount: `sim-slow-5`, `sim-cut-10`, `sim-429-30`.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from tollway.testing.http_messages import Request
from tollway.testing.sim.models import SIM_MODEL

KINDS: Final = frozenset({"slow", "hang", "stall", "cut", "reset", "garble", "error", "refuse", "flaky"})
SUFFIX: Final = re.compile(r"(?:(?P<base>.+)-)?sim(?:-(?P<kind>[a-z]+|[45]\d\d)(?:-(?P<amount>\d{1,4}))?)?")
HEADER: Final = "x-sim-behavior"
DEFAULT_AMOUNT: Final = {"slow": 2, "cut": 3, "reset": 3, "stall": 3, "error": 3, "garble": 1}


class Behaviour(msgspec.Struct, frozen=True):
    """What goes wrong: a status, or one of `KINDS`; nothing when `kind` is empty.

    The amount is seconds for `slow` and for the Retry-After of a status, and the number of
    events before the trouble for the others.
    """

    kind: str = ""
    amount: int = 1

    @property
    def status(self) -> int | None:
        """The HTTP status to answer with, if the trouble is one."""
        return int(self.kind) if self.kind.isdigit() else None


NONE: Final = Behaviour()


def split(model: str, request: Request) -> tuple[str, Behaviour]:
    """The model without its trouble, and the trouble that it or the header asks for.

    An unknown trouble is left in the name, so that it is refused as an unknown model.
    """
    asked = request.header(HEADER)
    found = SUFFIX.fullmatch(model) if "sim" in model else None
    if found is not None and _known(found["kind"]):
        model = found["base"] or SIM_MODEL
        asked = asked or _joined(found["kind"], found["amount"])
    return model, parse(asked) if asked else NONE


def parse(text: str) -> Behaviour:
    """A trouble as the header spells it; none when there is no such trouble."""
    kind, _, amount = text.partition("-")
    if not _known(kind) or not kind:
        return NONE
    default = DEFAULT_AMOUNT.get(kind, 1)
    return Behaviour(kind, int(amount) if amount.isdecimal() else default)


def _known(kind: str | None) -> bool:
    return not kind or kind in KINDS or re.fullmatch(r"[45]\d\d", kind) is not None


def _joined(kind: str | None, amount: str | None) -> str:
    return f"{kind or ''}-{amount}" if amount else kind or ""
