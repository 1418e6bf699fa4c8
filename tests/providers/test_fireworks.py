from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.fireworks import PROVIDER


class TestFireworks(OpenAIFamilyChecks):
    provider = PROVIDER


def test_its_models_are_resources_of_an_account() -> None:
    assert all(model.startswith("accounts/fireworks/models/") for model in PROVIDER.known_models)


def test_it_gets_its_earlier_thinking_back() -> None:
    assert "reasoning_content" in sent(PROVIDER, "anthropic_messages/words_only")[0]["messages"][2]
