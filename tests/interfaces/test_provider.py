import msgspec
import pytest

from tollway.interfaces.provider import Provider, Surface
from tollway.signing.bearer import Bearer
from tollway.signing.header_key import HeaderKey

VENDOR = Provider(
    name="vendor",
    title="Vendor",
    docs="https://vendor.test",
    base_url="https://vendor.test/v1",
    conversation={"gemini": "/models/{model}:{action}"},
    embeddings={"gemini-embeddings": "/models/{model}:batchEmbedContents"},
    signer=Bearer(),
    query={"api-version": "1"},
    unsupported=frozenset({"top_k"}),
    default_max_output_tokens=10,
    surfaces=(
        Surface(models=r"claude-.*", conversation={"anthropic-messages": "/m/{model}"}, omits=frozenset({"model"})),
        Surface(
            base_path="/openai/v1",
            conversation={"openai-chat": "/chat/completions"},
            query={},
            signer=HeaderKey("api-key"),
            unsupported=frozenset(),
        ),
    ),
)


@pytest.mark.parametrize(
    ("model", "base_path", "dialects"),
    [
        ("gemini-9", "/v1", {"gemini"}),
        ("claude-9", "/v1", {"anthropic-messages"}),
        ("CLAUDE-9", "", {"anthropic-messages"}),
        ("claude-9\nx", "", {"anthropic-messages"}),
        ("not-claude-9", "", {"gemini"}),
        ("claude-9", "/openai/v1", {"anthropic-messages"}),
        ("gpt", "/x/openai/v1", {"openai-chat"}),
        ("", "/openai/v1", {"openai-chat"}),
    ],
)
def test_the_first_surface_that_fits_is_taken(model: str, base_path: str, dialects: set[str]) -> None:
    assert set(VENDOR.serving(model, base_path).conversation) == dialects


def test_a_surface_changes_what_it_says_and_keeps_the_rest() -> None:
    claude = VENDOR.serving("claude-9")
    assert (claude.name, claude.base_url, claude.query) == ("vendor", "https://vendor.test/v1", {"api-version": "1"})
    assert (claude.unsupported, claude.default_max_output_tokens) == ({"top_k"}, 10)
    assert claude.omits == {"model"}
    other = VENDOR.serving("gpt", "/openai/v1")
    assert (other.query, other.unsupported, other.signer) == ({}, frozenset(), HeaderKey("api-key"))


def test_models_of_a_surface_have_no_paths_but_its_own() -> None:
    assert VENDOR.serving("claude-9").embeddings == {}
    assert VENDOR.serving("claude-9").surfaces == ()


def test_callers_whom_the_rest_of_the_provider_serves_pass_a_surface_by() -> None:
    surface = Surface(conversation={"anthropic-messages": "/m/{model}"}, not_for=frozenset({"gemini"}))
    vendor = msgspec.structs.replace(VENDOR, surfaces=(surface,))
    assert set(vendor.serving("any", caller="openai-chat").conversation) == {"anthropic-messages"}
    assert vendor.serving("any", caller="gemini") is vendor
