from tollway.dialects.bedrock_converse.models import MODELS


def test_models_are_listed_and_shown_as_the_api_does() -> None:
    one = MODELS.one("anthropic/claude", "anthropic")
    assert (one["modelId"], one["providerName"]) == ("anthropic/claude", "anthropic")
    assert MODELS.many([one]) == {"modelSummaries": [one]}
    assert MODELS.alone is not None
    assert MODELS.alone(one) == {"modelDetails": one}
