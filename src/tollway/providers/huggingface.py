"""Hugging Face: Inference Providers by its router, and Inference Endpoints or TGI servers by `url`.

https://huggingface.co/docs/inference-providers/tasks/chat-completion. Of these only the router has a Responses
API, a beta, so callers of Responses are translated.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="huggingface",
    title="Hugging Face",
    docs="https://huggingface.co/docs/inference-providers/tasks/chat-completion",
    base_url="https://router.huggingface.co/v1",
    conversation={"openai-chat": "/chat/completions"},
    signer=Bearer(),
    environment_key="HF_TOKEN",
    sim_path="/compatible/v1",
    unsupported=frozenset(
        {
            # "UNUSED", says TGI's reference.
            "logit_bias",
            "n",
            # Not among the fields of the chat-completion task.
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
            "top_k",
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    media=frozenset({"image", "image-address"}),  # content parts: text and image_url
    limits=Limits(stop_sequences=4),  # "Up to 4 sequences"
    counting=Counting(cached="not reported", reasoning="not reported"),
)
