"""LM Studio's server. https://lmstudio.ai/docs/developer/openai-compat.

Its Responses API is spoken natively: it is OpenAI's with state, `previous_response_id` and custom tools.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="lm-studio",
    title="LM Studio",
    docs="https://lmstudio.ai/docs/developer/openai-compat",
    base_url="http://localhost:1234/v1",
    conversation={"openai-chat": "/chat/completions", "openai-responses": "/responses"},
    embeddings={"openai-embeddings": "/embeddings"},
    operations={"openai-completions": "/completions"},
    signer=Bearer(),
    keeps_turns=True,
    environment_key="LM_API_TOKEN",
    sim_path="/compatible/v1",
    key_optional=True,
    # Not among its "supported payload parameters", and ignored without a word by the server.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
            "extra_content",
            "logprobs",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prompt_cache_key",
            "refusal",
            "safety_identifier",
            "service_tier",
            "store",
            "top_logprobs",
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    media=frozenset({"image"}),  # pictures as base64
    output_forms=frozenset({"schema"}),  # "'response_format.type' must be 'json_schema' or 'text'"
    counting=Counting(cached="not reported"),
)
