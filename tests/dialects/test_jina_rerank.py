from tollway.dialects.jina_rerank import DIALECT


def test_it_is_served_where_its_sdk_looks() -> None:
    (endpoint,) = DIALECT.endpoints
    assert endpoint.dialect == DIALECT.name == "jina-rerank"
    assert (endpoint.method, endpoint.path, endpoint.streams) == ("POST", "/rerank", "never")
