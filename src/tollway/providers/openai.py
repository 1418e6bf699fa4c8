"""OpenAI. https://platform.openai.com/docs/api-reference."""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="openai",
    title="OpenAI",
    docs="https://platform.openai.com/docs/api-reference",
    base_url="https://api.openai.com/v1",
    conversation={"openai-chat": "/chat/completions", "openai-responses": "/responses"},
    embeddings={"openai-embeddings": "/embeddings"},
    realtime={"openai-realtime": "/realtime?model={model}", "openai-responses-socket": "/responses"},
    keeps=True,
    operations={
        "openai-audio-speech": "/audio/speech",
        "openai-audio-transcriptions": "/audio/transcriptions",
        "openai-audio-translations": "/audio/translations",
        "openai-batches": "/batches",
        "openai-completions": "/completions",
        "openai-conversations": "/conversations",
        "openai-files": "/files",
        "openai-fine-tuning": "/fine_tuning/jobs",
        "openai-images-edits": "/images/edits",
        "openai-images-generations": "/images/generations",
        "openai-images-variations": "/images/variations",
        "openai-input-tokens": "/responses/input_tokens",
        "openai-moderations": "/moderations",
        "openai-stored-responses": "/responses",
        "openai-uploads": "/uploads",
        "openai-vector-stores": "/vector_stores",
    },
    signer=Bearer(),
    forward_headers=frozenset({"openai-beta"}),
    environment_key="OPENAI_API_KEY",
    sim_path="/openai/v1",
    keeps_turns=True,
    unsupported=frozenset(
        {
            "extra_content",  # Google's addition to messages; this service refuses unknown members
            "top_k",  # "Unrecognized request argument supplied: top_k"
        }
    ),
    # "max_tokens … is now deprecated in favor of max_completion_tokens, and is not compatible with
    # o-series models."
    max_tokens_field="max_completion_tokens",
    limits=Limits(
        stop_sequences=4,  # "Up to 4 sequences"
        tools=128,  # "A max of 128 functions are supported."
    ),
    counting=Counting(cache_writes="inside"),
    known_models=frozenset(
        {
            "chatgpt-4o-latest",
            "gpt-3.5-turbo",
            "gpt-4",
            "gpt-4-turbo",
            "gpt-4.1",
            "gpt-4.1-mini",
            "gpt-4.1-nano",
            "gpt-4o",
            "gpt-4o-audio-preview",
            "gpt-4o-mini",
            "gpt-4o-mini-search-preview",
            "gpt-4o-search-preview",
            "gpt-5",
            "gpt-5-chat-latest",
            "gpt-5-codex",
            "gpt-5-mini",
            "gpt-5-nano",
            "gpt-5-pro",
            "gpt-5.1",
            "gpt-5.1-codex",
            "gpt-5.2",
            "gpt-5.2-pro",
            "gpt-realtime",
            "gpt-realtime-1.5",
            "gpt-realtime-2",
            "gpt-realtime-2.1",
            "gpt-realtime-2.1-mini",
            "gpt-realtime-mini",
            "o1",
            "o1-pro",
            "o3",
            "o3-mini",
            "o3-pro",
            "o4-mini",
            "text-embedding-3-large",
            "text-embedding-3-small",
            "text-embedding-ada-002",
        }
    ),
)
