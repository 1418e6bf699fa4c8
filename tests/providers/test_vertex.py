import pytest

from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.providers.vertex import PROVIDER

GOOGLE = "/publishers/google/models/{model}"


@pytest.mark.parametrize(
    ("model", "conversation"),
    [
        ("gemini-2.5-flash", {"gemini": f"{GOOGLE}:{{action}}"}),
        (
            "claude-sonnet-4-5@20250929",
            {"anthropic-messages": "/publishers/anthropic/models/{model}:{rawPredict|streamRawPredict}"},
        ),
        ("meta/llama-4-maverick-17b-128e-instruct-maas", {"openai-chat": "/endpoints/openapi/chat/completions"}),
        ("google/gemini-2.5-flash", {"openai-chat": "/endpoints/openapi/chat/completions"}),
        ("gemini-embedding-2", {}),
    ],
)
def test_each_makers_models_are_asked_in_its_own_way(model: str, conversation: dict[str, str]) -> None:
    assert PROVIDER.serving(model).conversation == conversation
    assert all(conversation_dialect(name).name == name for name in conversation)


@pytest.mark.parametrize(
    ("model", "embeddings"),
    [
        ("text-embedding-005", {"vertex-embeddings": f"{GOOGLE}:predict"}),
        ("gemini-embedding-001", {"vertex-embeddings": f"{GOOGLE}:predict"}),
        ("gemini-embedding-exp-03-07", {"vertex-embeddings": f"{GOOGLE}:predict"}),
        ("gemini-embedding-2", {"vertex-content-embeddings": f"{GOOGLE}:batchEmbedContents"}),
        ("claude-9", {}),
    ],
)
def test_embeddings_are_asked_for_as_the_model_wants(model: str, embeddings: dict[str, str]) -> None:
    assert PROVIDER.serving(model).embeddings == embeddings
    assert all(embeddings_dialect(name).name == name for name in embeddings)


def test_what_is_in_the_path_or_no_header_here_is_said_in_the_body() -> None:
    claude = PROVIDER.serving("claude-9")
    assert claude.body == {"anthropic_version": "vertex-2023-10-16"}
    assert claude.omits == {"model"}
    assert claude.default_max_output_tokens


def test_keys_of_express_mode_go_into_a_header_never_the_query() -> None:
    assert PROVIDER.signer.headers("AQ.k", None) == (("x-goog-api-key", "AQ.k"),)
    assert PROVIDER.query == {}


def test_project_and_location_are_the_operators() -> None:
    assert PROVIDER.base_url is None
    assert PROVIDER.token_scopes == {"google": "https://www.googleapis.com/auth/cloud-platform"}


def test_tokens_are_counted_by_googles_own_models_alone() -> None:
    assert PROVIDER.serving("gemini-9").operations == {"gemini-count-tokens": f"{GOOGLE}:countTokens"}
    assert PROVIDER.serving("claude-9").operations == {}
    assert PROVIDER.serving("meta/llama-9").operations == {}
