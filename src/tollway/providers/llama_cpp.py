"""llama.cpp's `llama-server`. https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md.

Its `/v1/responses` leaves out members that the API demands (`sequence_number`, the response's `output`), which stops
SDKs, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="llama-cpp",
    title="llama.cpp",
    docs="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
    base_url="http://localhost:8080/v1",
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    operations={"openai-completions": "/completions"},
    signer=Bearer(),
    environment_key="LLAMA_API_KEY",  # the server's own variable, as `--api-key`
    sim_path="/compatible/v1",
    key_optional=True,
    # Ignored without a word by the server, except the tools that it refuses ("Unsupported tool type") and the roles
    # that chat templates do not know.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
            "extra_content",
            "metadata",
            "modalities",
            "prompt_cache_key",
            "refusal",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    thinking_member="reasoning_content",  # chat templates that think put it back where they want it
    media=frozenset({"image", "image-address", "audio"}),  # content parts: text, image_url and input_audio
    counting=Counting(reasoning="not reported"),
)
