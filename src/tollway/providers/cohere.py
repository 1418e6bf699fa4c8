"""Cohere. https://docs.cohere.com/reference/about."""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="cohere",
    title="Cohere",
    docs="https://docs.cohere.com/reference/about",
    base_url="https://api.cohere.com",
    base_path_tail="/v2",
    conversation={"cohere-chat": "/v2/chat"},
    embeddings={"cohere-embeddings": "/v2/embed"},
    rerank={"cohere-rerank": "/v2/rerank"},
    signer=Bearer(),
    environment_key="CO_API_KEY",
    sim_path="/cohere",
    media=frozenset({"image", "image-address", "file"}),  # of documents plain text alone, which its dialect sees to
    limits=Limits(stop_sequences=5),  # "A list of up to 5 strings"
    counting=Counting(stream_usage="always", reasoning="not reported"),
    known_models=frozenset(
        {
            "c4ai-aya-expanse-32b",
            "c4ai-aya-expanse-8b",
            "c4ai-aya-vision-32b",
            "c4ai-aya-vision-8b",
            "command-a-03-2025",
            "command-a-reasoning-08-2025",
            "command-a-translate-08-2025",
            "command-a-vision-07-2025",
            "command-r-08-2024",
            "command-r-plus-08-2024",
            "command-r7b-12-2024",
            "command-r7b-arabic-02-2025",
            "embed-english-light-v3.0",
            "embed-english-v3.0",
            "embed-multilingual-light-v3.0",
            "embed-multilingual-v3.0",
            "embed-v4.0",
        }
    ),
)
