"""DeepSeek. https://api-docs.deepseek.com/api/create-chat-completion.

Its Responses API is spoken natively: "The API is stateless: responses and conversations are not stored on the
server", with OpenAI's events and sequence numbers, and with the custom tools of coding agents.
"""

from typing import Final

from tollway.interfaces.provider import Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="deepseek",
    title="DeepSeek",
    docs="https://api-docs.deepseek.com/api/create-chat-completion",
    base_url="https://api.deepseek.com",
    conversation={"openai-chat": "/chat/completions", "openai-responses": "/responses"},
    signer=Bearer(),
    environment_key="DEEPSEEK_API_KEY",
    sim_path="/compatible/v1",
    # Not among the request fields of its reference, and ignored without a word by the service; leaving them out
    # says so to the caller.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",  # its roles are system, user, assistant and tool
            "extra_content",
            "logit_bias",
            "metadata",
            "modalities",
            "n",
            "parallel_tool_calls",
            "prompt_cache_key",
            "refusal",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "top_k",
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    thinking_off={"thinking": {"type": "disabled"}},  # "Thinking mode is enabled by default"
    # "The reasoning_content in the thinking mode must be passed back to the API."
    thinking_member="reasoning_content",
    media=frozenset({"image", "image-address"}),  # deepseek-flash sees; "file input is not supported"
    output_forms=frozenset({"json"}),  # response_format: "text" or "json_object"
    limits=Limits(
        stop_sequences=16,  # "Up to 16 sequences"
        tools=128,  # "A max of 128 functions are supported."
    ),
    known_models=frozenset({"deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro"}),
)
