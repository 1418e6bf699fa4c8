"""NVIDIA's hosted NIM models, and NIM containers by `url`. https://docs.api.nvidia.com/nim/reference/llm-apis.

Whether a container has a Responses API depends on the engine inside, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="nvidia",
    title="NVIDIA NIM",
    docs="https://docs.api.nvidia.com/nim/reference/llm-apis",
    base_url="https://integrate.api.nvidia.com/v1",
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    signer=Bearer(),
    environment_key="NVIDIA_API_KEY",
    sim_path="/compatible/v1",
    # Engines validate strictly ("Extra inputs are not permitted"); their schema has the roles system, user,
    # assistant and tool, and none of OpenAI's later additions.
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
    media=frozenset({"image", "image-address"}),  # content parts: text and image_url
)
