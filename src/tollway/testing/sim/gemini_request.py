"""Reading a Gemini request: both spellings of names, and refusal of names unknown to the vendor.

The real service speaks protobuf JSON: it takes `systemInstruction` and `system_instruction`
alike, and refuses a member that it does not know, which is what makes a careless
translation visible.
"""

from typing import Final, TypeVar, cast

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.testing.sim.gemini_body import GenerateRequest, RequestError
from tollway.testing.sim.json_samples import Json

FREE: Final = frozenset(
    {
        "args",
        "response",
        "parameters",
        "parametersJsonSchema",
        "responseSchema",
        "responseJsonSchema",
        "labels",
    }
)
"""Members whose inside is the caller's own and is left as it came."""

REQUEST_MEMBERS: Final = frozenset(
    {
        "contents",
        "model",
        "tools",
        "toolConfig",
        "safetySettings",
        "systemInstruction",
        "generationConfig",
        "cachedContent",
        "labels",
        "serviceTier",
        "store",
    }
)
CONFIG_MEMBERS: Final = frozenset(
    {
        "audioTimestamp",
        "candidateCount",
        "enableAffectiveDialog",
        "enableEnhancedCivicAnswers",
        "frequencyPenalty",
        "imageConfig",
        "logprobs",
        "maxOutputTokens",
        "mediaResolution",
        "presencePenalty",
        "responseFormat",
        "responseJsonSchema",
        "responseLogprobs",
        "responseMimeType",
        "responseModalities",
        "responseSchema",
        "routingConfig",
        "seed",
        "speechConfig",
        "stopSequences",
        "temperature",
        "thinkingConfig",
        "topK",
        "topP",
    }
)

RequestT = TypeVar("RequestT")


def read(data: bytes, kind: type[RequestT]) -> RequestT:
    """The request body as a typed value.

    Raises:
        RequestError: the body is not JSON, has a member of a wrong type or an unknown one.
    """
    try:
        value = _camel(cast("Json", msgspec.json.decode(data)))
    except NOT_JSON as error:
        raise RequestError(f"Invalid JSON payload received. {error}") from error
    if kind is GenerateRequest:
        _refuse_unknown(value, "", REQUEST_MEMBERS)
        config = value.get("generationConfig") if isinstance(value, dict) else None
        _refuse_unknown(config, "generation_config", CONFIG_MEMBERS)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise RequestError(f"Invalid value: {error}", field=str(error).partition("$.")[2].rstrip("`")) from error


def _camel(value: Json) -> Json:
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    renamed: dict[str, Json] = {}
    for name, member in value.items():
        head, *rest = name.split("_")
        camel = head + "".join(word[:1].upper() + word[1:] for word in rest) if head else name
        renamed[camel] = member if camel in FREE else _camel(member)
    return renamed


def _refuse_unknown(value: Json, where: str, known: frozenset[str]) -> None:
    if not isinstance(value, dict):
        return
    for name in value:
        if name not in known:
            at = f" at '{where}'" if where else ""
            what = f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.'
            raise RequestError(what, field=where or name)
