"""How Anthropic's API lists models. https://docs.anthropic.com/en/api/models-list."""

from typing import Final

from tollway.interfaces.dialect import ModelDocument, ModelList


def _one(name: str, owner: str) -> ModelDocument:
    del owner
    # The time is the one the API itself gives where it does not know.
    created_at = "1970-01-01T00:00:00Z"
    return {"type": "model", "id": name, "display_name": name, "created_at": created_at, "lifecycle": "active"}


def _many(models: list[ModelDocument]) -> ModelDocument:
    first = models[0]["id"] if models else None
    last = models[-1]["id"] if models else None
    return {"data": models, "has_more": False, "first_id": first, "last_id": last}


MODELS: Final = ModelList(versions=("/v1", ""), telling_header=b"anthropic-version", one=_one, many=_many)
