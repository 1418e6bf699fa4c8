from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.xai import PROVIDER


class TestXAI(OpenAIFamilyChecks):
    provider = PROVIDER


def test_both_of_its_apis_are_spoken_natively() -> None:
    assert PROVIDER.conversation == {"openai-chat": "/chat/completions", "openai-responses": "/responses"}


def test_the_limit_has_the_newer_name() -> None:
    assert sent(PROVIDER, "anthropic_messages/plain")[0]["max_completion_tokens"] > 0


def test_its_thinking_stands_beside_the_completion() -> None:
    assert PROVIDER.counting.reasoning == "beside"
