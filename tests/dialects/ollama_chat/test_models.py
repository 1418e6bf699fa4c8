from tollway.dialects.ollama_chat.models import API_VERSION, MODELS


def test_a_model_has_what_lists_and_descriptions_have() -> None:
    one = MODELS.one("m", "ollama")
    assert (one["name"], one["model"], one["capabilities"]) == ("m", "m", ["completion", "tools"])
    assert MODELS.many([one]) == {"models": [one]}


def test_each_name_has_its_own_digest_and_always_the_same() -> None:
    assert MODELS.one("a", "x")["digest"] == MODELS.one("a", "y")["digest"] != MODELS.one("b", "x")["digest"]


def test_the_version_of_the_api_is_told() -> None:
    assert MODELS.notes == {"/api/version": {"version": API_VERSION}}
