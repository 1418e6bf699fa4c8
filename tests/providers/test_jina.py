from tollway.dialects.registry import embeddings_dialect
from tollway.providers.jina import PROVIDER


def test_it_has_embeddings_and_no_conversations() -> None:
    assert PROVIDER.conversation == {}
    assert PROVIDER.embeddings == {"jina-embeddings": "/embeddings"}
    assert embeddings_dialect("jina-embeddings").endpoints == ()


def test_its_models_bear_its_name() -> None:
    assert all(model.startswith("jina-") for model in PROVIDER.known_models)
