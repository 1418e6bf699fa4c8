"""Any other server that speaks OpenAI's Chat Completions, at an address of the operator's own."""

from typing import Final

from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="openai-compatible",
    title="OpenAI-compatible server",
    docs="https://platform.openai.com/docs/api-reference/chat",
    base_url=None,
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    rerank={"jina-rerank": "/rerank"},
    # Those that keep nothing. Which of them a server has, it says itself.
    operations={
        "openai-audio-speech": "/audio/speech",
        "openai-audio-transcriptions": "/audio/transcriptions",
        "openai-audio-translations": "/audio/translations",
        "openai-completions": "/completions",
        "openai-images-edits": "/images/edits",
        "openai-images-generations": "/images/generations",
        "openai-images-variations": "/images/variations",
        "openai-moderations": "/moderations",
    },
    signer=Bearer(),
    key_optional=True,
    # OpenAI's own additions, which strict servers of this kind answer with "Extra inputs are not
    # permitted" or "property … is unsupported".
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
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
    max_tokens_field="max_tokens",
)
