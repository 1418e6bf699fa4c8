from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.together import PROVIDER


class TestTogether(OpenAIFamilyChecks):
    provider = PROVIDER


def test_its_models_bear_their_makers_names() -> None:
    assert all("/" in model for model in PROVIDER.known_models)


def test_alternatives_of_tokens_are_reported_lost() -> None:
    body, lost = sent(PROVIDER, "openai_chat/full")
    assert "top_logprobs" not in body
    assert "top_logprobs" in lost
