"""Voyage AI: embeddings and rankings. https://docs.voyageai.com/reference/embeddings-api."""

from typing import Final

from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="voyage",
    title="Voyage AI",
    docs="https://docs.voyageai.com/reference/embeddings-api",
    base_url="https://api.voyageai.com/v1",
    conversation={},
    embeddings={"voyage-embeddings": "/embeddings"},
    rerank={"voyage-rerank": "/rerank"},
    signer=Bearer(),
    environment_key="VOYAGE_API_KEY",
    known_models=frozenset(
        {
            "voyage-3-large",
            "voyage-3.5",
            "voyage-3.5-lite",
            "voyage-code-3",
            "voyage-finance-2",
            "voyage-law-2",
        }
    ),
)
