"""Ollama. https://docs.ollama.com/api.

Its own API comes first, because it carries more than the OpenAI-compatible one beside it: thinking, `top_k`
and pictures in whatever form the caller had them, and it says what it used in every stream. Callers of
Chat Completions keep talking to that other one, unread. Its `/v1/responses` keeps no state and lacks
parts of the API, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="ollama",
    title="Ollama",
    docs="https://docs.ollama.com/api",
    base_url="http://localhost:11434",
    # The base URL that clients of the OpenAI-compatible API are told to use.
    base_path_tail="/v1",
    conversation={
        "ollama-chat": "/api/chat",
        "ollama-generate": "/api/generate",
        "openai-chat": "/v1/chat/completions",
    },
    embeddings={"ollama-embeddings": "/api/embed", "openai-embeddings": "/v1/embeddings"},
    operations={"openai-completions": "/v1/completions"},
    signer=Bearer(),
    environment_key="OLLAMA_API_KEY",
    sim_path="/ollama",
    key_optional=True,
    media=frozenset({"image", "file"}),  # base64 in `images`; of documents plain text alone, as its dialect sees to
    counting=Counting(cached="not reported", reasoning="not reported"),
)
