"""The strict validators of the material folder: other people's models and schemas, for our output."""

import functools
import importlib.util
import warnings
from types import ModuleType
from typing import Any

import ollama
from cohere.v2.types import V2ChatResponse, v2chat_stream_response
from pydantic import BaseModel, ValidationError
from tests.support.recordings import material

_COHERE_EVENTS: dict[str, type[BaseModel]] = {
    model.model_fields["type"].default: model
    for name, model in vars(v2chat_stream_response).items()
    if name.endswith("V2ChatStreamResponse") and isinstance(model, type) and issubclass(model, BaseModel)
}


@functools.cache
def _validators() -> ModuleType:
    path = material("validators", "validate.py")
    spec = importlib.util.spec_from_file_location("tollway_material_validate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if "spec" in _ways():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # it leaves closing its files to the collector
            module.spec("spec")
            module.spec("or")
    return module


@functools.cache
def _ways() -> tuple[str, ...]:
    schemas = importlib.util.find_spec("jsonschema") is not None and importlib.util.find_spec("referencing") is not None
    return ("sdk", "spec", "or") if schemas else ("sdk",)


def complaints(kind: str, body: Any) -> list[str]:
    """Give what the vendor's SDK and its published schemas object to in a body of ours.

    Kinds: `openai.chat`, `openai.chat.chunk`, `openai.response`, `openai.response.event`,
    `openai.embeddings`, `openai.error`, `openai.chat.request`, `anthropic.message`,
    `anthropic.event`, `gemini.response`; `cohere.chat`, `cohere.event`, `ollama.chat` and `ollama.generate`
    by the vendors' SDKs alone. Schemas are checked where `jsonschema` is installed.
    """
    if kind.startswith(("cohere.", "ollama.")):
        return _sdk_complaints(kind, body)
    return _validators().check(kind, body, how=_ways())


def _sdk_complaints(kind: str, body: Any) -> list[str]:
    model: type[BaseModel]
    match kind:
        case "cohere.chat":
            model = V2ChatResponse
        case "cohere.event":
            model = _COHERE_EVENTS[body["type"]]
        case "ollama.chat":
            model = ollama.ChatResponse
        case _:
            model = ollama.GenerateResponse
    try:
        model.model_validate(body)
    except ValidationError as error:
        return [str(error)]
    return []
