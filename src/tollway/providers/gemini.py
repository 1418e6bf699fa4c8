"""Google Gemini, by the Gemini API. https://ai.google.dev/api."""

from typing import Final

from tollway.interfaces.provider import Counting, Limits, Provider
from tollway.signing.header_key import HeaderKey

PROVIDER: Final = Provider(
    name="gemini",
    title="Google Gemini",
    docs="https://ai.google.dev/api",
    base_url="https://generativelanguage.googleapis.com/v1beta",
    conversation={"gemini": "/models/{model}:{action}"},
    embeddings={"gemini-embeddings": "/models/{model}:batchEmbedContents"},
    realtime={"gemini-live": "/../ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"},
    operations={"gemini-count-tokens": "/models/{model}:countTokens"},
    # Also taken as `?key=`, which would put the key into access logs.
    signer=HeaderKey("x-goog-api-key"),
    environment_key="GEMINI_API_KEY",
    sim_path="/v1beta",
    limits=Limits(stop_sequences=5),  # "The set of character sequences (up to 5)"
    # totalTokenCount is the sum of prompt, candidates and thoughts.
    counting=Counting(stream_usage="always", reasoning="beside"),
    known_models=frozenset(
        {
            "gemini-1.5-flash",
            "gemini-1.5-pro",
            "gemini-2.0-flash",
            "gemini-2.0-flash-lite",
            "gemini-2.5-flash",
            "gemini-2.5-flash-image",
            "gemini-2.5-flash-lite",
            "gemini-2.5-pro",
            "gemini-3-flash-preview",
            "gemini-3-pro-image-preview",
            "gemini-3-pro-preview",
            "gemini-3.1-flash-lite",
            "gemini-3.1-pro-preview",
            "gemini-3.5-flash",
            "gemini-3.5-flash-lite",
            "gemini-3.6-flash",
            "gemini-3.7-flash",
            "gemini-3.8-flash",
            "gemini-4-argon",
            "gemini-embedding-001",
            "gemini-embedding-2",
            "gemini-flash-latest",
            "gemini-flash-lite-latest",
            "gemini-pro-latest",
        }
    ),
    otel_name="gcp.gemini",
)
