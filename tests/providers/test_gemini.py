from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.providers.gemini import PROVIDER


def test_it_speaks_its_own_dialects_with_the_model_in_the_path() -> None:
    assert PROVIDER.base_url == "https://generativelanguage.googleapis.com/v1beta"
    assert PROVIDER.conversation == {"gemini": "/models/{model}:{action}"}
    assert PROVIDER.embeddings == {"gemini-embeddings": "/models/{model}:batchEmbedContents"}
    assert conversation_dialect("gemini").path_has_model
    assert embeddings_dialect("gemini-embeddings").name in PROVIDER.embeddings


def test_the_key_goes_into_a_header_never_the_query() -> None:
    assert PROVIDER.signer.headers("AIza1", None) == (("x-goog-api-key", "AIza1"),)
    assert PROVIDER.query == {}


def test_its_models_are_geminis() -> None:
    assert all(model.startswith("gemini-") for model in PROVIDER.known_models)
    assert "gemini-2.5-flash" in PROVIDER.known_models
