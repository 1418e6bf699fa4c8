"""The settings of Ollama's requests, the same for a chat and a lone prompt.

Rules of this file:
- Of `options` those with a neutral counterpart become one; the others (`num_ctx`, `mirostat` …) are for
  servers of this API alone, each under its full name.
- `think` is on, off or a level. Levels are for models that have them; others take any level as on.
"""

from collections.abc import Mapping
from typing import Final, cast

import msgspec

from tollway.core.conversation import Conversation, Losses, OutputFormat, ReasoningRequest
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, wrong_type
from tollway.dialects.carrying import effort_for_budget
from tollway.dialects.field_names import field_name
from tollway.dialects.json_forms import members_under

SPECIFIC: Final = frozenset({"keep_alive", "shift", "truncate"})
"""Fields of this API alone. Any other dialect drops them, and says so."""

_LEVELS: Final[Mapping[str, str]] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `options`, `format` and `think` say."""

    temperature: float | None
    top_p: float | None
    top_k: int | None
    presence_penalty: float | None
    frequency_penalty: float | None
    seed: int | None
    stop: tuple[str, ...]
    max_output_tokens: int | None
    output: OutputFormat | None
    reasoning: ReasoningRequest | None


def read_settings(fields: Fields, specific: JsonObject) -> Settings:
    """Read the settings; what no neutral field stands for goes to `specific`.

    Raises:
        BadRequest: with `param` naming the field.
    """
    options = fields.fields("options") or Fields({}, "options")
    most = options.integer("num_predict")
    if most is not None and most < 0:  # -1: without end, -2: until the context is full
        specific["options.num_predict"] = most
        most = None
    settings = Settings(
        temperature=options.number("temperature"),
        top_p=options.number("top_p"),
        top_k=options.integer("top_k"),
        presence_penalty=options.number("presence_penalty"),
        frequency_penalty=options.number("frequency_penalty"),
        seed=options.integer("seed"),
        stop=_stop(options),
        max_output_tokens=most,
        output=_output(fields.take("format")),
        reasoning=_thinking(fields.take("think")),
    )
    specific.update({f"options.{name}": value for name, value in options.rest().items() if value is not None})
    return settings


def _stop(options: Fields) -> tuple[str, ...]:
    value = options.take("stop")
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in cast("list[Json]", value)):
        wrong_type("options.stop", "a string or an array of strings", value)
    return tuple(cast("list[str]", value))


def _output(value: Json) -> OutputFormat | None:
    if value is None or value == "":
        return None
    if value == "json":
        return OutputFormat("json")
    if isinstance(value, dict):
        return OutputFormat("schema", schema=cast("JsonObject", value))
    raise BadRequest("format: expected 'json' or a JSON Schema", code="invalid_value", param="format")


def _thinking(value: Json) -> ReasoningRequest | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return ReasoningRequest(enabled=value, show=value or None)
    if not isinstance(value, str):
        wrong_type("think", "a boolean or a string", value)
    return ReasoningRequest(effort=value, show=True)


def write_settings(body: JsonObject, request: Conversation, specific: JsonObject, losses: Losses, *, own: bool) -> None:
    """Write the settings of a request."""
    options = members_under(specific, "options")
    values: JsonObject = {
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "presence_penalty": request.presence_penalty,
        "frequency_penalty": request.frequency_penalty,
        "seed": request.seed,
        "stop": list(request.stop) or None,
        "num_predict": request.max_output_tokens,
    }
    options |= {name: value for name, value in values.items() if value is not None}
    if options:
        body["options"] = options
    output = request.output
    if output is not None and output.kind != "text":
        body["format"] = output.schema if output.schema is not None else "json"
    if request.reasoning is not None:
        think = _think(request, request.reasoning, losses, own=own)
        if think is not None:
            body["think"] = think
    if request.logprobs or (request.logprobs is not None and own):
        body["logprobs"] = request.logprobs
    if request.top_logprobs is not None:
        body["top_logprobs"] = request.top_logprobs
    body.update({name: value for name, value in specific.items() if "." not in name})


def _think(request: Conversation, reasoning: ReasoningRequest, losses: Losses, *, own: bool) -> bool | str | None:
    name = field_name(request.dialect, "reasoning")
    if reasoning.summary is not None:
        losses.drop(f"{name}.summary")
    for member in reasoning.rest:
        losses.drop(f"{name}.{member}")
    if reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0:
        return reasoning.effort if own and reasoning.effort is not None else False
    if reasoning.effort is not None:
        return reasoning.effort if own else _LEVELS.get(reasoning.effort, "medium")
    if reasoning.budget_tokens is not None and reasoning.budget_tokens > 0:
        return effort_for_budget(reasoning.budget_tokens)
    return True if reasoning.enabled or reasoning.adaptive or reasoning.budget_tokens is not None else None
