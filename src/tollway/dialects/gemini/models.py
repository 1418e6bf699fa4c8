"""How the Gemini API lists models. https://ai.google.dev/api/models."""

from typing import Final

from tollway.interfaces.dialect import ModelDocument, ModelList


def _one(name: str, owner: str) -> ModelDocument:
    del owner
    return {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }


def _many(models: list[ModelDocument]) -> ModelDocument:
    return {"models": models}


MODELS: Final = ModelList(versions=("/v1beta", "/v1", ""), telling_header=b"x-goog-api-key", one=_one, many=_many)
