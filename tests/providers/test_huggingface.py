import pytest
from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.core.errors import BadRequest
from tollway.providers.huggingface import PROVIDER


class TestHuggingFace(OpenAIFamilyChecks):
    provider = PROVIDER


def test_its_router_is_prefilled() -> None:
    assert PROVIDER.base_url == "https://router.huggingface.co/v1"


def test_several_answers_are_refused_for_it_would_give_one() -> None:
    with pytest.raises(BadRequest, match="one answer a call"):
        sent(PROVIDER, "openai_chat/many_answers")
