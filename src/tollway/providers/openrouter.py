"""OpenRouter. https://openrouter.ai/docs/api-reference/overview.

Its Responses API is spoken natively: it takes OpenAI's requests without server-side state, and refuses what it
cannot do.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="openrouter",
    title="OpenRouter",
    docs="https://openrouter.ai/docs/api-reference/overview",
    base_url="https://openrouter.ai/api/v1",
    conversation={"openai-chat": "/chat/completions", "openai-responses": "/responses"},
    embeddings={"openai-embeddings": "/embeddings"},
    operations={"openai-completions": "/completions"},
    signer=Bearer(),
    # Its own names of the calling application; optional.
    forward_headers=frozenset({"http-referer", "x-title"}),
    environment_key="OPENROUTER_API_KEY",
    sim_path="/compatible/v1",
    # Not among the fields of its reference's chat request, and not passed on to the providers behind it.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "extra_content",
            "n",
            "safety_identifier",
            "store",
            "stream_options",  # "deprecated and have no effect. Full usage details are now always included"
            "verbosity",
        }
    ),
    # max_tokens: "deprecated, use max_completion_tokens"
    max_tokens_field="max_completion_tokens",
    thinking_off={"reasoning": {"effort": "none"}},
    # Models that think with tools need their thinking back; proofs in `reasoning_details` are the caller's to send.
    thinking_member="reasoning",
    limits=Limits(stop_sequences=4),  # "Stop sequences (up to 4)"
    counting=Counting(stream_usage="always", cache_writes="inside", web_searches=True),
)
