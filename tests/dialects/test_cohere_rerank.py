from tollway.dialects.cohere_rerank import DIALECT


def test_it_is_served_where_its_sdk_looks() -> None:
    (endpoint,) = DIALECT.endpoints
    assert endpoint.dialect == DIALECT.name == "cohere-rerank"
    assert (endpoint.method, endpoint.path, endpoint.streams) == ("POST", "/rerank", "never")
