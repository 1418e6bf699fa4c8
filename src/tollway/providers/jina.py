"""Jina AI: embeddings and rankings. https://jina.ai/embeddings."""

from typing import Final

from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="jina",
    title="Jina AI",
    docs="https://jina.ai/embeddings",
    base_url="https://api.jina.ai/v1",
    conversation={},
    embeddings={"jina-embeddings": "/embeddings"},
    rerank={"jina-rerank": "/rerank"},
    signer=Bearer(),
    environment_key="JINA_API_KEY",
    known_models=frozenset(
        {
            "jina-clip-v2",
            "jina-embeddings-v2-base-en",
            "jina-embeddings-v3",
            "jina-embeddings-v4",
        }
    ),
)
