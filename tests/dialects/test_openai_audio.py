"""Sound is counted in tokens, milliseconds or characters, whichever the model's answer allows."""

from typing import Any

import msgspec
import pytest

from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.openai_audio import DIALECT

SPEECH, TRANSCRIPTIONS, TRANSLATIONS = DIALECT.endpoints


def test_speech_is_counted_in_characters_not_bytes() -> None:
    members = {"input": msgspec.Raw('"Zoë 😀"'.encode())}
    assert DIALECT.passed_facts(SPEECH, members, None).usage == Usage(input_characters=5)


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (
            {
                "text": "hi",
                "usage": {
                    "type": "tokens",
                    "input_tokens": 14,
                    "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
                    "output_tokens": 45,
                    "total_tokens": 59,
                },
            },
            Usage(input_audio=14, output_text=45),
        ),
        ({"text": "hi", "usage": {"type": "duration", "seconds": 7}}, Usage(input_audio_ms=7000)),
        ({"text": "hi", "duration": 8.47}, Usage(input_audio_ms=8470)),
        ({"text": "hi"}, NO_USAGE),
    ],
    ids=["tokens", "seconds", "verbose", "nothing"],
)
@pytest.mark.parametrize("endpoint", [TRANSCRIPTIONS, TRANSLATIONS], ids=["transcription", "translation"])
def test_what_was_heard(endpoint: Any, answer: Any, usage: Usage) -> None:
    assert DIALECT.passed_facts(endpoint, {}, msgspec.json.encode(answer)).usage == usage


def test_subtitles_say_nothing() -> None:
    assert DIALECT.passed_facts(TRANSCRIPTIONS, {}, None).usage == NO_USAGE
