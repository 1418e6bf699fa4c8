from tollway.dialects.cohere_chat.models import MODELS


def test_a_model_says_what_it_is_for() -> None:
    one = MODELS.one("m", "cohere")
    assert (one["name"], one["endpoints"]) == ("m", ["chat"])
    assert MODELS.many([one]) == {"models": [one]}
