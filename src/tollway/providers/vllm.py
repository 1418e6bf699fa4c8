"""vLLM's server. https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html.

Its `/v1/responses` lacks parts of the API, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="vllm",
    title="vLLM",
    docs="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    base_url=None,
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    rerank={"jina-rerank": "/rerank"},
    operations={
        "openai-audio-transcriptions": "/audio/transcriptions",
        "openai-audio-translations": "/audio/translations",
        "openai-completions": "/completions",
    },
    signer=Bearer(),
    environment_key="VLLM_API_KEY",
    sim_path="/vllm/v1",
    key_optional=True,
    # Ignored by the server ("The following fields were present in the request but ignored"), except
    # the roles and tools that its chat templates do not know.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
            "extra_content",
            "metadata",
            "modalities",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "store",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    media=frozenset({"image", "image-address", "audio"}),  # content parts: text, image_url, audio and video
)
