from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.vllm import PROVIDER


class TestVLLM(OpenAIFamilyChecks):
    provider = PROVIDER


def test_its_address_is_the_operators_and_a_key_is_optional() -> None:
    assert PROVIDER.base_url is None
    assert PROVIDER.key_optional


def test_callers_of_responses_are_translated() -> None:
    assert "openai-responses" not in PROVIDER.conversation


def test_what_its_own_sampling_knows_reaches_it() -> None:
    body, lost = sent(PROVIDER, "gemini/words_only")
    assert body["top_k"] > 0
    assert "generationConfig.topK" not in lost
