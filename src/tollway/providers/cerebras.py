"""Cerebras. https://inference-docs.cerebras.ai/api-reference/chat-completions."""

from typing import Final

from tollway.interfaces.provider import Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="cerebras",
    title="Cerebras",
    docs="https://inference-docs.cerebras.ai/api-reference/chat-completions",
    base_url="https://api.cerebras.ai/v1",
    conversation={"openai-chat": "/chat/completions"},
    signer=Bearer(),
    environment_key="CEREBRAS_API_KEY",
    sim_path="/compatible/v1",
    unsupported=frozenset(
        {
            # "will result in a 400 error if they are supplied"
            "frequency_penalty",
            "logit_bias",
            "presence_penalty",
            # "Our implementation does not expose developer directly."
            "developer",
            # Not among the fields of its reference.
            "allowed_tools",
            "custom_tools",
            "extra_content",
            "metadata",
            "modalities",
            "refusal",
            "safety_identifier",
            "store",
            "top_k",
            "verbosity",
        }
    ),
    max_tokens_field="max_completion_tokens",
    media=frozenset({"image"}),  # "External image URLs: Not supported"
    limits=Limits(stop_sequences=4),  # "Up to 4 sequences"
    known_models=frozenset({"gemma-4-31b", "gpt-oss-120b", "qwen-3.8-27b"}),
)
