from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.openrouter import PROVIDER


class TestOpenRouter(OpenAIFamilyChecks):
    provider = PROVIDER


def test_the_calling_application_may_name_itself() -> None:
    assert PROVIDER.forward_headers == {"http-referer", "x-title"}


def test_models_behind_it_get_their_earlier_thinking_back() -> None:
    body, lost = sent(PROVIDER, "anthropic_messages/words_only")
    assert body["messages"][2]["reasoning"] == "The skyline is Porto's. Weather next."
    assert "messages.thinking" not in lost


def test_streams_are_not_asked_for_usage_that_they_tell_anyway() -> None:
    assert "stream_options" not in sent(PROVIDER, "anthropic_messages/words_only")[0]
    assert PROVIDER.counting.stream_usage == "always"


def test_sound_and_documents_reach_it() -> None:
    body, _ = sent(PROVIDER, "openai_responses/media")
    assert "'type': 'file'" in str(body)
