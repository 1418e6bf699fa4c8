from tollway.dialects.registry import embeddings_dialect
from tollway.providers.voyage import PROVIDER


def test_it_has_embeddings_and_no_conversations() -> None:
    assert PROVIDER.conversation == {}
    assert PROVIDER.embeddings == {"voyage-embeddings": "/embeddings"}
    assert embeddings_dialect("voyage-embeddings").endpoints == ()


def test_its_models_bear_its_name() -> None:
    assert all(model.startswith("voyage-") for model in PROVIDER.known_models)
