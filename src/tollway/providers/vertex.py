"""Vertex AI, Google Cloud's platform. https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest.

The base URL names project and location:
`https://<location>-aiplatform.googleapis.com/v1/projects/<project>/locations/<location>`, for the location
`global` and with an API key (express mode) `https://aiplatform.googleapis.com/v1` and what follows.
Models of other makers are asked in their makers' ways.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider, Surface
from tollway.signing.header_key import HeaderKey

PROVIDER: Final = Provider(
    name="vertex",
    title="Google Vertex AI",
    docs="https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest",
    base_url=None,
    conversation={"gemini": "/publishers/google/models/{model}:{action}"},
    embeddings={"vertex-embeddings": "/publishers/google/models/{model}:predict"},
    operations={"gemini-count-tokens": "/publishers/google/models/{model}:countTokens"},
    surfaces=(
        # "The anthropic_version is passed in the request body", "model is not passed in the request body".
        # https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
        Surface(
            models=r"claude-.*",
            conversation={"anthropic-messages": "/publishers/anthropic/models/{model}:{rawPredict|streamRawPredict}"},
            operations={},
            body={"anthropic_version": "vertex-2023-10-16"},
            omits=frozenset({"model"}),
            own_errors=True,  # the platform's own (a model that is not there, a quota) come in Google's shape
            media=frozenset({"image", "image-address", "file"}),
            output_forms=frozenset({"schema"}),
            limits=Limits(),
            # "input_tokens" are those that were neither read from the cache nor written to it.
            counting=Counting(stream_usage="always", cached="beside", cache_writes="beside", web_searches=True),
            default_max_output_tokens=8192,
        ),
        # The newer embedding models have no `predict`; google-genai chooses between the two in the same way.
        Surface(
            models=r"gemini-embedding-(?!001|exp).*",
            embeddings={"vertex-content-embeddings": "/publishers/google/models/{model}:batchEmbedContents"},
        ),
        # Models with a maker before them (`meta/llama-…-maas`), by the Chat Completions of the project's endpoints;
        # Google's own too, where their name is written so.
        Surface(
            models=r"[^/]+/.*",
            conversation={"openai-chat": "/endpoints/openapi/chat/completions"},
            operations={},
            # As any server of this kind: what is OpenAI's own addition is refused or ignored there.
            unsupported=frozenset(
                {
                    "allowed_tools",
                    "custom_tools",
                    "developer",
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
            limits=Limits(),
            counting=Counting(),
            max_tokens_field="max_tokens",
        ),
    ),
    unsupported=frozenset(
        {
            "store",  # google-genai: "only supported in Gemini Developer API mode"
        }
    ),
    limits=Limits(stop_sequences=5),  # "The set of character sequences (up to 5)"
    # totalTokenCount is the sum of prompt, candidates and thoughts.
    counting=Counting(stream_usage="always", reasoning="beside"),
    # Keys of express mode; an identity's token is sent as Bearer.
    signer=HeaderKey("x-goog-api-key"),
    token_scopes={"google": "https://www.googleapis.com/auth/cloud-platform"},
    forward_headers=frozenset({"anthropic-beta"}),
    otel_name="gcp.vertex_ai",
)
