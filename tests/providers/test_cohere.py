from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.providers.cohere import PROVIDER


def test_it_speaks_the_second_version_of_its_api() -> None:
    assert PROVIDER.base_url == "https://api.cohere.com"
    assert PROVIDER.conversation == {"cohere-chat": "/v2/chat"}
    assert PROVIDER.embeddings == {"cohere-embeddings": "/v2/embed"}
    assert conversation_dialect("cohere-chat").name in PROVIDER.conversation
    assert embeddings_dialect("cohere-embeddings").name in PROVIDER.embeddings


def test_the_version_may_be_written_in_the_base_url_too() -> None:
    assert PROVIDER.base_path_tail == "/v2"


def test_the_key_is_a_bearer_token() -> None:
    assert PROVIDER.signer.headers("co-1", None) == (("authorization", "Bearer co-1"),)
    assert not PROVIDER.key_optional


def test_its_models_are_known_by_their_families() -> None:
    assert all(model.startswith(("command-", "c4ai-aya-", "embed-")) for model in PROVIDER.known_models)
