import re

from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.core.conversation import Losses
from tollway.core.embeddings import EmbeddingsRequest
from tollway.dialects.registry import embeddings_dialect
from tollway.providers.mistral import PROVIDER


class TestMistral(OpenAIFamilyChecks):
    provider = PROVIDER


def test_every_id_of_a_tool_call_has_nine_letters_and_digits_and_its_result_the_same() -> None:
    body, _ = sent(PROVIDER, "anthropic_messages/words_only")
    called = [call["id"] for message in body["messages"] for call in message.get("tool_calls", [])]
    answered = [message["tool_call_id"] for message in body["messages"] if message["role"] == "tool"]
    assert called == answered
    assert len(set(called)) == 2
    assert all(re.fullmatch("[A-Za-z0-9]{9}", one) for one in called)


def test_a_document_is_a_part_of_its_own_kind() -> None:
    body, _ = sent(PROVIDER, "openai_responses/media")
    kinds = [
        part["type"] for message in body["messages"] for part in message["content"] or () if isinstance(part, dict)
    ]
    assert "document_url" in kinds
    assert "file" not in kinds


def test_sound_is_the_base64_text_itself() -> None:
    body, _ = sent(PROVIDER, "openai_chat/media")
    (sound,) = [part for part in body["messages"][0]["content"] if part["type"] == "input_audio"]
    assert isinstance(sound["input_audio"], str)


def test_the_seed_has_its_own_name() -> None:
    body, lost = sent(PROVIDER, "gemini/words_only")
    assert body["random_seed"] == 7
    assert "seed" not in body
    assert "generationConfig.seed" not in lost


def test_streams_are_not_asked_for_usage_that_they_tell_anyway() -> None:
    body, lost = sent(PROVIDER, "anthropic_messages/words_only")
    assert body["stream"] is True
    assert "stream_options" not in body
    assert "stream" not in lost
    assert PROVIDER.counting.stream_usage == "always"


def test_the_length_of_vectors_has_its_own_name() -> None:
    request = EmbeddingsRequest(dialect="openai-embeddings", model="mistral-embed", inputs=("a",), dimensions=8)
    body = embeddings_dialect("openai-embeddings").render_request(request, PROVIDER, Losses())
    assert b'"output_dimension":8' in body
