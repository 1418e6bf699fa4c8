"""Fireworks AI. https://docs.fireworks.ai/api-reference/post-chatcompletions.

Its compatibility page promises Chat Completions and text completions, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="fireworks",
    title="Fireworks AI",
    docs="https://docs.fireworks.ai/api-reference/post-chatcompletions",
    base_url="https://api.fireworks.ai/inference/v1",
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    operations={"openai-completions": "/completions"},
    signer=Bearer(),
    environment_key="FIREWORKS_API_KEY",
    sim_path="/compatible/v1",
    # Not among the fields of its reference; "400 Extra inputs are not permitted".
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
            "extra_content",
            "modalities",
            "refusal",
            "safety_identifier",
            "store",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    thinking_member="reasoning_content",  # kept or stripped by its own `reasoning_history`
    media=frozenset({"image", "image-address"}),  # content parts: text, image_url and video_url
    limits=Limits(stop_sequences=4),  # "Up to 4 sequences"
    # Asked all the same: a question it ignores, since "streaming responses include usage in the final chunk".
    counting=Counting(reasoning="not reported"),
    known_models=frozenset(
        {
            "accounts/fireworks/models/deepseek-v4-pro-0813",
            "accounts/fireworks/models/glm-5p2",
            "accounts/fireworks/models/gpt-oss-120b",
            "accounts/fireworks/models/gpt-oss-20b",
            "accounts/fireworks/models/kimi-k2p7-code",
            "accounts/fireworks/models/kimi-k3",
            "accounts/fireworks/models/minimax-m3",
        }
    ),
)
