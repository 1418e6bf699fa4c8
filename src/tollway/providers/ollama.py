"""Ollama, by its OpenAI-compatible API. https://docs.ollama.com/api/openai-compatibility.

Its `/v1/responses` keeps no state and lacks parts of the API, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="ollama",
    title="Ollama",
    docs="https://docs.ollama.com/api/openai-compatibility",
    base_url="http://localhost:11434/v1",
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    operations={"openai-completions": "/completions"},
    signer=Bearer(),
    environment_key="OLLAMA_API_KEY",
    sim_path="/ollama/v1",
    key_optional=True,
    # Left unchecked in the vendor's list of "supported request fields", and ignored without a word
    # by the server; leaving them out says so to the caller.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",  # model templates know system, user, assistant and tool
            "extra_content",
            "logit_bias",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "store",
            "tool_choice",
            "top_k",
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    media=frozenset({"image"}),  # checked in the vendor's list: "Base64 encoded image"; unchecked: "Image URL"
    counting=Counting(cached="not reported", reasoning="not reported"),
)
