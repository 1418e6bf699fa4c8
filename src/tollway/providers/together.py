"""Together AI. https://docs.together.ai/reference/chat-completions.

Its Responses API is for some models only: others "may return malformed output". So callers of Responses are
translated.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="together",
    title="Together AI",
    docs="https://docs.together.ai/reference/chat-completions",
    base_url="https://api.together.ai/v1",
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    operations={"openai-completions": "/completions", "openai-images-generations": "/images/generations"},
    signer=Bearer(),
    environment_key="TOGETHER_API_KEY",
    sim_path="/compatible/v1",
    # Not among the fields of its reference.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
            "extra_content",
            "metadata",
            "modalities",
            "parallel_tool_calls",
            "prompt_cache_key",
            "refusal",
            "safety_identifier",
            "service_tier",
            "store",
            "top_logprobs",  # its `logprobs` is a number, 0 or 1; there are no alternatives beside it
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    media=frozenset({"image", "image-address"}),  # content parts: text, image_url and video_url
    counting=Counting(reasoning="not reported"),
    known_models=frozenset(
        {
            "MiniMaxAI/MiniMax-M3.1-Flash",
            "Qwen/Qwen3.7-Max",
            "Qwen/Qwen3.7-Plus",
            "Qwen/Qwen3.8-Flash",
            "deepseek-ai/DeepSeek-V4-Pro-0813",
            "deepseek-ai/DeepSeek-V4.1-Flash",
            "moonshotai/Kimi-K3",
            "moonshotai/Kimi-K3.1-Pro",
            "zai-org/GLM-5.2",
            "zai-org/GLM-5.3",
            "zai-org/GLM-5.3-Flash",
        }
    ),
)
