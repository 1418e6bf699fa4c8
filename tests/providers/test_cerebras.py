import pytest
from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.core.errors import BadRequest
from tollway.providers.cerebras import PROVIDER


class TestCerebras(OpenAIFamilyChecks):
    provider = PROVIDER


def test_a_picture_by_address_is_refused_with_what_would_mend_it() -> None:
    with pytest.raises(BadRequest, match="send the picture itself, as base64"):
        sent(PROVIDER, "anthropic_messages/full")


def test_penalties_are_left_out_and_reported() -> None:
    body, lost = sent(PROVIDER, "gemini/words_only")
    assert not {"presence_penalty", "frequency_penalty"} & body.keys()
    assert {"generationConfig.presencePenalty", "generationConfig.frequencyPenalty"} <= set(lost)
