import pytest

from tollway.dialects.registry import all_dialects, conversation_dialect, embeddings_dialect, kind_of
from tollway.interfaces.dialect import KEPT_OPERATIONS


def test_a_dialect_is_found_by_the_name_of_its_module() -> None:
    assert conversation_dialect("openai-chat").name == "openai-chat"
    assert conversation_dialect("openai-responses").name == "openai-responses"
    assert embeddings_dialect("openai-embeddings").name == "openai-embeddings"


def test_a_dialect_is_the_same_value_each_time() -> None:
    assert conversation_dialect("openai-chat") is conversation_dialect("openai-chat")


@pytest.mark.parametrize(
    "name",
    ["", "openai", "openai_chat", "registry", "collect", "openai-embeddings", "../core", "openai-chat.tools", "os"],
)
def test_a_name_that_is_no_conversation_dialect_is_not_found(name: str) -> None:
    with pytest.raises(KeyError):
        conversation_dialect(name)


def test_a_conversation_is_no_embeddings_dialect() -> None:
    with pytest.raises(KeyError):
        embeddings_dialect("openai-chat")


def test_every_dialect_is_listed_once_under_its_own_name() -> None:
    names = [one.name for one in all_dialects()]
    assert names == sorted(set(names))
    assert {"openai-chat", "openai-responses", "openai-embeddings"} <= set(names)


_SHARED = {("POST", "/v1/rerank")}
"""What two APIs of different formats have under one path, with requests that both understand."""


def test_no_two_endpoints_are_the_same_but_those_a_header_tells_apart() -> None:
    places: dict[tuple[str, str], list[str]] = {}
    for one in all_dialects():
        for endpoint in one.endpoints:
            if endpoint.operation in KEPT_OPERATIONS:
                continue  # served where the gateway keeps answers itself, in place of what providers keep
            for version in endpoint.versions:
                telling = str(getattr(one, "telling_header", b""))
                places.setdefault((endpoint.method, version + endpoint.path), []).append(telling)
    for place, telling in places.items():
        assert len(telling) == len(set(telling)) or place in _SHARED, place


@pytest.mark.parametrize(
    ("name", "kind"),
    [("openai-chat", "conversation"), ("gemini-embeddings", "embeddings"), ("voyage-embeddings", "embeddings")],
)
def test_what_a_dialect_is_for_is_known_with_or_without_callers(name: str, kind: str) -> None:
    (found,) = [one for one in all_dialects() if one.name == name]
    assert kind_of(found) == kind
