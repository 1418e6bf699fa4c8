"""How OpenAI's API lists models. https://platform.openai.com/docs/api-reference/models."""

from typing import Final

from tollway.interfaces.dialect import ModelDocument, ModelList


def _one(name: str, owner: str) -> ModelDocument:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _many(models: list[ModelDocument]) -> ModelDocument:
    return {"object": "list", "data": models}


MODELS: Final = ModelList(versions=("/v1", ""), one=_one, many=_many)
