"""Vertex AI's batchEmbedContents, which its newer embedding models take in place of `predict`.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models/embedContent

It is the Gemini API's but for where the settings stand: each request has an `embedContentConfig`, and no model.
"""

from typing import Final

import msgspec

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.embeddings_carrying import (
    carried_embeddings_specific,
    carried_task,
    drop_set_embeddings_fields,
    text_inputs,
)
from tollway.dialects.gemini_embeddings import TASKS, GeminiEmbeddings
from tollway.interfaces.dialect import EmbeddingsDialect, Endpoint
from tollway.interfaces.provider import Provider

_NAME: Final = "vertex-content-embeddings"
_PLACES: Final = (
    "/publishers/google/models/{model}",
    "/projects/{scope}/publishers/google/models/{model}",
)


class VertexContentEmbeddings(GeminiEmbeddings):
    """Both sides of the API."""

    name: str = _NAME
    endpoints: tuple[Endpoint, ...] = tuple(
        Endpoint(
            operation="embeddings",
            dialect=_NAME,
            path=f"{place}:{action}",
            versions=("/v1beta1", "/v1", ""),
            streams="never",
            passes=action == "batchEmbedContents",
        )
        for place in _PLACES
        for action in ("embedContent", "batchEmbedContents")
    )

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a batch.

        Raises:
            BadRequest: an input is a list of tokens, which only the model's own vocabulary can read.
        """
        del provider
        drop_set_embeddings_fields(request, ("user", "truncate"), losses)
        carried_embeddings_specific(request, _NAME, losses)
        options: JsonObject = {
            "taskType": carried_task(request, TASKS, _NAME, losses),
            "title": request.title,
            "outputDimensionality": request.dimensions,
        }
        config = {name: value for name, value in options.items() if value is not None}
        shared: JsonObject = {"embedContentConfig": config} if config else {}
        texts = text_inputs(request, "a Gemini")
        found: list[JsonObject] = [{"content": {"parts": [{"text": text}]}} | shared for text in texts]
        return msgspec.json.encode(request.rest | {"requests": found})

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Nothing to set: the model is in the path alone."""


DIALECT: Final[EmbeddingsDialect] = VertexContentEmbeddings()
