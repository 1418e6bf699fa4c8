from anthropic.types import ModelInfo

from tollway.dialects.anthropic_messages.models import MODELS


def test_a_model_is_what_the_sdk_reads() -> None:
    assert ModelInfo.model_validate(MODELS.one("a", "x")).id == "a"


def test_a_list_says_where_it_begins_and_ends() -> None:
    listed = MODELS.many([MODELS.one("a", "x"), MODELS.one("b", "x")])
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("a", "b", False)


def test_an_empty_list_names_no_first_and_no_last() -> None:
    assert MODELS.many([]) == {"data": [], "has_more": False, "first_id": None, "last_id": None}
