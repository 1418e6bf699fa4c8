from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.llama_cpp import PROVIDER


class TestLlamaCpp(OpenAIFamilyChecks):
    provider = PROVIDER


def test_it_needs_no_key_and_stands_on_the_same_machine() -> None:
    assert PROVIDER.key_optional
    assert PROVIDER.base_url == "http://localhost:8080/v1"


def test_callers_of_responses_are_translated() -> None:
    assert "openai-responses" not in PROVIDER.conversation


def test_what_its_own_sampling_knows_reaches_it() -> None:
    body, lost = sent(PROVIDER, "gemini/words_only")
    assert body["top_k"] == 40
    assert "generationConfig.topK" not in lost
