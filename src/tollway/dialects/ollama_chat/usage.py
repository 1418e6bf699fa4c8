"""Ollama's token counts.

Rules of this file:
- `prompt_eval_count` and `eval_count` are the totals of prompt and answer; thinking is part of the
  answer and not told apart, and there is no word for what was found in a cache.
- A server that found the whole prompt in its cache leaves its count out; the input is then unknown,
  and the anomaly says so.
- Durations, in nanoseconds, are the server's own and ride beside the counts.
"""

from collections.abc import Mapping
from typing import Final

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_count

_PROMPT: Final = "prompt_eval_count"
_ANSWER: Final = "eval_count"
_DURATIONS: Final = ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration")


def read_usage(line: Mapping[str, Json]) -> Usage | None:
    """Read the counts of a whole answer, or of the line that ends a stream; None where there are none."""
    prompt, answer = line.get(_PROMPT), line.get(_ANSWER)
    if prompt is None and answer is None:
        return None
    return Usage(
        input_fresh=as_count(prompt),
        output_text=as_count(answer),
        anomaly="" if prompt is not None else "the provider did not count the prompt",
    )


def usage_rest(line: Mapping[str, Json]) -> JsonObject:
    """Keep the durations."""
    return {name: line[name] for name in _DURATIONS if line.get(name) is not None}


def render_usage(usage: Usage | None) -> JsonObject:
    """Write the counts; nothing where nobody counted."""
    if usage is None:
        return {}
    into, out = usage.totals()
    return {_PROMPT: into, _ANSWER: out}
