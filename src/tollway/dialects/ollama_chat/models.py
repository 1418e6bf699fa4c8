"""How Ollama's API lists models, describes one, and says what it is. https://docs.ollama.com/api/tags."""

import hashlib
from typing import Final

from tollway.interfaces.dialect import ModelDocument, ModelList

API_VERSION: Final = "0.12.0"
"""The version of Ollama whose API is spoken; some clients ask before they use what later ones have."""

_UNKNOWN_TIME: Final = "1970-01-01T00:00:00Z"


def _one(name: str, owner: str) -> ModelDocument:
    details: ModelDocument = {
        "parent_model": "",
        "format": "",
        "family": owner,
        "families": [owner],
        "parameter_size": "",
        "quantization_level": "",
    }
    # The members of `/api/tags` and of `/api/show` together: each client reads those it knows.
    return {
        "name": name,
        "model": name,
        "modified_at": _UNKNOWN_TIME,
        "size": 0,
        "digest": hashlib.sha256(name.encode()).hexdigest(),
        "details": details,
        "model_info": {"general.architecture": owner},
        "capabilities": ["completion", "tools"],
    }


def _many(models: list[ModelDocument]) -> ModelDocument:
    return {"models": models}


MODELS: Final = ModelList(
    versions=("",),
    list_path="/api/tags",
    model_path="/api/show",
    model_member="model",
    notes={"/api/version": {"version": API_VERSION}},
    one=_one,
    many=_many,
)
