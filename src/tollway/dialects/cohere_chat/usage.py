"""Cohere's token counts.

Rules of this file:
- `tokens` is what the model saw and wrote, text that Cohere adds by itself included; `cached_tokens`
  ("the number of prompt tokens that hit the inference cache") is part of its input. Recorded: input
  212 of which 208 cached, 1,452 of which 144.
- `billed_units` is what is charged, and smaller: recorded 12 of 212 input tokens. The leaves are what
  the model saw; what is billed is kept beside them where it differs, so that a price can be put on it.
- Counts are sent as floats.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects.caller_fields import as_count, as_object

_BILLED: Final = ("input_tokens", "output_tokens")


def read_usage(usage: Mapping[str, Json]) -> Usage | None:
    """Read a usage object, or an answer's `meta`; None where it counts nothing."""
    billed = as_object(usage.get("billed_units"))
    seen = as_object(usage.get("tokens")) or billed
    if not seen:
        return None
    found = usage_from_totals(
        as_count(seen.get("input_tokens")) + as_count(seen.get("image_tokens")),
        as_count(seen.get("output_tokens")),
        cache_read=as_count(usage.get("cached_tokens")),
        input_image=as_count(seen.get("image_tokens")),
    )
    return msgspec.structs.replace(
        found,
        billed_input=_where_other(billed, "input_tokens", found.input_tokens),
        billed_output=_where_other(billed, "output_tokens", found.output_tokens),
    )


def usage_rest(usage: Mapping[str, Json]) -> JsonObject:
    """Keep the billed units that no count stands for (`search_units`)."""
    billed = as_object(usage.get("billed_units"))
    rest = {name: value for name, value in billed.items() if name not in _BILLED and value is not None}
    return {"billed_units": rest} if rest else {}


def render_usage(usage: Usage, rest: Mapping[str, Json] | None = None) -> JsonObject:
    """Write a usage object."""
    into, out = usage.totals()
    billed: JsonObject = {
        "input_tokens": into if usage.billed_input is None else usage.billed_input,
        "output_tokens": out if usage.billed_output is None else usage.billed_output,
    }
    return {
        "billed_units": as_object((rest or {}).get("billed_units")) | billed,
        "tokens": {"input_tokens": into, "output_tokens": out},
        "cached_tokens": usage.cached_tokens,
    }


def _where_other(billed: Mapping[str, Json], name: str, seen: int) -> int | None:
    if name not in billed:
        return None
    count = as_count(billed[name])
    return None if count == seen else count
