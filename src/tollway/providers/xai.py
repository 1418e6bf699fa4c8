"""xAI. https://docs.x.ai/docs/api-reference.

Its Responses API is the vendor's first choice and spoken natively: whole, with `store`, `previous_response_id`
and encrypted thinking.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="xai",
    title="xAI",
    docs="https://docs.x.ai/docs/api-reference",
    base_url="https://api.x.ai/v1",
    conversation={"openai-chat": "/chat/completions", "openai-responses": "/responses"},
    operations={"openai-images-generations": "/images/generations"},
    signer=Bearer(),
    # "previous input prompts, reasoning content and model responses are saved and stored on xAI's servers"
    keeps_turns=True,
    environment_key="XAI_API_KEY",
    sim_path="/compatible/v1",
    unsupported=frozenset(
        {
            "logit_bias",  # "(Unsupported)"
            # Not among the fields of its ChatRequest.
            "allowed_tools",
            "custom_tools",
            "extra_content",
            "metadata",
            "modalities",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "store",
            "top_k",
            "verbosity",
        }
    ),
    # "max_tokens: [DEPRECATED] … in favor of max_completion_tokens."
    max_tokens_field="max_completion_tokens",
    media=frozenset({"image", "image-address"}),  # documents only by the id or the address of its Files API
    limits=Limits(
        stop_sequences=4,  # "Up to 4 sequences"
        tools=128,  # "A max of 128 functions are supported."
    ),
    # total_tokens = prompt_tokens + completion_tokens + reasoning_tokens, in the reference's examples.
    counting=Counting(reasoning="beside", web_searches=True),
    known_models=frozenset(
        {
            "grok-4.20",
            "grok-4.20-non-reasoning",
            "grok-4.20-reasoning",
            "grok-4.3",
            "grok-4.3-latest",
            "grok-4.5",
            "grok-4.5-latest",
            "grok-4.6",
            "grok-4.7",
            "grok-build-0.1",
            "grok-build-latest",
            "grok-code-fast-1",
        }
    ),
    otel_name="x_ai",
)
