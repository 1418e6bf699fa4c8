from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.lm_studio import PROVIDER


class TestLMStudio(OpenAIFamilyChecks):
    provider = PROVIDER


def test_it_needs_no_key_and_stands_on_the_same_machine() -> None:
    assert PROVIDER.key_optional
    assert PROVIDER.base_url == "http://localhost:1234/v1"


def test_its_responses_are_spoken_natively() -> None:
    assert PROVIDER.conversation["openai-responses"] == "/responses"


def test_any_json_is_reported_lost_and_a_schema_reaches_it() -> None:
    body, lost = sent(PROVIDER, "gemini/json_mode")
    assert "response_format" not in body
    assert "generationConfig.responseMimeType" in lost
    assert sent(PROVIDER, "anthropic_messages/structured_adaptive")[0]["response_format"]["type"] == "json_schema"
