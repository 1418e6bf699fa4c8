"""Anthropic. https://docs.anthropic.com/en/api/messages."""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.header_key import HeaderKey

PROVIDER: Final = Provider(
    name="anthropic",
    title="Anthropic",
    docs="https://docs.anthropic.com/en/api/messages",
    base_url="https://api.anthropic.com/v1",
    conversation={"anthropic-messages": "/messages"},
    keeps=True,
    operations={
        "anthropic-batches": "/messages/batches",
        "anthropic-count-tokens": "/messages/count_tokens",
        "anthropic-files": "/files",
    },
    signer=HeaderKey("x-api-key"),
    headers={"anthropic-version": "2023-06-01"},
    # A caller that speaks a later version of the API, or asks for betas, gets what it asked for.
    forward_headers=frozenset({"anthropic-beta", "anthropic-version"}),
    environment_key="ANTHROPIC_API_KEY",
    sim_path="/v1",
    # A member of Amazon Bedrock's Messages; here betas are asked for in the header `anthropic-beta`.
    unsupported=frozenset({"anthropic_beta"}),
    # `max_tokens` is required. Every current model can write this much; longer answers are asked for.
    default_max_output_tokens=8192,
    media=frozenset({"image", "image-address", "file"}),  # content blocks: text, image and document
    output_forms=frozenset({"schema"}),  # output_config.format: "json_schema"
    # "input_tokens" are those that were neither read from the cache nor written to it.
    counting=Counting(stream_usage="always", cached="beside", cache_writes="beside", web_searches=True),
    known_models=frozenset(
        {
            "claude-3-haiku-20240307",
            "claude-3-5-haiku-20241022",
            "claude-3-5-haiku-latest",
            "claude-3-7-sonnet-20250219",
            "claude-3-7-sonnet-latest",
            "claude-fable-5",
            "claude-fable-5-1",
            "claude-fable-5-2",
            "claude-haiku-4-5",
            "claude-haiku-4-5-20251001",
            "claude-haiku-5-5",
            "claude-mythos-5",
            "claude-mythos-5-1",
            "claude-mythos-5-2",
            "claude-mythos-preview",
            "claude-opus-4-0",
            "claude-opus-4-1",
            "claude-opus-4-1-20250805",
            "claude-opus-4-20250514",
            "claude-opus-4-5",
            "claude-opus-4-5-20251101",
            "claude-opus-4-6",
            "claude-opus-4-7",
            "claude-opus-4-8",
            "claude-opus-5",
            "claude-opus-5-5",
            "claude-sonnet-4-0",
            "claude-sonnet-4-20250514",
            "claude-sonnet-4-5",
            "claude-sonnet-4-5-20250929",
            "claude-sonnet-4-6",
            "claude-sonnet-5",
            "claude-sonnet-5-5",
        }
    ),
)
