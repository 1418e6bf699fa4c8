"""Groq. https://console.groq.com/docs/api-reference.

Its Responses API is a beta that knows neither `store` nor `include`, `truncation` or `prompt_cache_key`, which the
agents that speak Responses send with every call: their callers are translated.
"""

from typing import Final

from tollway.interfaces.provider import Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="groq",
    title="Groq",
    docs="https://console.groq.com/docs/api-reference",
    base_url="https://api.groq.com/openai/v1",
    conversation={"openai-chat": "/chat/completions"},
    operations={
        "openai-audio-speech": "/audio/speech",
        "openai-audio-transcriptions": "/audio/transcriptions",
        "openai-audio-translations": "/audio/translations",
    },
    signer=Bearer(),
    environment_key="GROQ_API_KEY",
    sim_path="/compatible/v1",
    unsupported=frozenset(
        {
            # "will result in a 400 error (yikes) if they are supplied"
            "logit_bias",
            "logprobs",
            "n",  # "If N is supplied, it must be equal to 1."
            "top_logprobs",
            # "This parameter is not currently supported."
            "metadata",
            "store",
            # Absent from the reference, and answered with "property … is unsupported".
            "allowed_tools",
            "custom_tools",
            "extra_content",
            "modalities",
            "prompt_cache_key",
            "refusal",
            "safety_identifier",
            "top_k",
            "verbosity",
            # "This is not yet supported by any of our models."
            "frequency_penalty",
            "presence_penalty",
        }
    ),
    # "max_tokens: Deprecated in favor of max_completion_tokens."
    max_tokens_field="max_completion_tokens",
    media=frozenset({"image", "image-address"}),  # its content parts are text, image_url and document
    limits=Limits(
        stop_sequences=4,  # "Up to 4 sequences"
        tools=128,  # "A max of 128 functions are supported."
    ),
    known_models=frozenset(
        {
            "groq/compound",
            "groq/compound-mini",
            "llama-3.1-8b-instant",
            "llama-3.3-70b-versatile",
            "openai/gpt-oss-120b",
            "openai/gpt-oss-20b",
            "openai/gpt-oss-safeguard-20b",
            "qwen/qwen3-32b",
            "qwen/qwen3.8-27b",
        }
    ),
)
