import pytest
from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.core.errors import BadRequest
from tollway.providers.deepseek import PROVIDER


class TestDeepSeek(OpenAIFamilyChecks):
    provider = PROVIDER


def test_it_gets_its_earlier_thinking_back() -> None:
    body, lost = sent(PROVIDER, "anthropic_messages/words_only")
    assert body["messages"][2]["reasoning_content"] == "The skyline is Porto's. Weather next."
    assert "messages.thinking" not in lost


def test_a_demand_for_a_schema_is_refused_and_one_for_json_is_kept() -> None:
    with pytest.raises(BadRequest, match="JSON Schema") as caught:
        sent(PROVIDER, "openai_responses/structured")
    assert caught.value.param == "text.format"
    assert sent(PROVIDER, "openai_chat/json_mode")[0]["response_format"]["type"] == "json_object"


def test_its_stateless_responses_are_spoken_natively() -> None:
    assert PROVIDER.conversation["openai-responses"] == "/responses"
