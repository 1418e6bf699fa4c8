"""How Cohere's API lists models. https://docs.cohere.com/reference/list-models."""

from typing import Final

from tollway.interfaces.dialect import ModelDocument, ModelList


def _one(name: str, owner: str) -> ModelDocument:
    del owner
    return {"name": name, "is_deprecated": False, "finetuned": False, "endpoints": ["chat"], "features": None}


def _many(models: list[ModelDocument]) -> ModelDocument:
    return {"models": models}


# The SDKs are made by a generator that names the one it made in every request.
MODELS: Final = ModelList(versions=("/v1", ""), telling_header=b"x-fern-sdk-name", one=_one, many=_many)
