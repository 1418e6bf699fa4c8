import pytest
from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.core.errors import BadRequest
from tollway.providers.groq import PROVIDER


class TestGroq(OpenAIFamilyChecks):
    provider = PROVIDER


def test_callers_of_responses_are_translated() -> None:
    assert "openai-responses" not in PROVIDER.conversation
    body, lost = sent(PROVIDER, "openai_responses/coding_agent")
    assert body["model"]
    assert "prompt_cache_key" in lost


def test_several_answers_are_refused() -> None:
    with pytest.raises(BadRequest, match="one answer a call"):
        sent(PROVIDER, "openai_chat/many_answers")


def test_a_document_is_refused() -> None:
    with pytest.raises(BadRequest, match="takes no documents"):
        sent(PROVIDER, "anthropic_messages/full")
