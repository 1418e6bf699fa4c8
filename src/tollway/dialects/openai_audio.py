"""OpenAI's Audio API, passed through: speech, transcriptions, translations.

https://platform.openai.com/docs/api-reference/audio. Speech is billed by the characters spoken, or by
tokens that only its stream of events reports. What was heard is counted in tokens or by its length,
as the model's answer says; plain text and subtitles say neither.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.caller_fields import as_object
from tollway.dialects.openai_passed import OpenAIPassed, decoded, duration_usage, parse_usage, text_of
from tollway.dialects.openai_paths import VERSIONS
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import PassedDialect, PassedEndpoint

NAME: Final = "openai-audio"


class OpenAIAudio(OpenAIPassed):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = (
        PassedEndpoint(
            operation="speech",
            dialect=NAME,
            path="/audio/speech",
            versions=VERSIONS,
            streams="never",  # `stream_format` says how the sound is sent, which its content type tells
            provides="openai-audio-speech",
            answer="bytes",
        ),
        PassedEndpoint(
            operation="transcription",
            dialect=NAME,
            path="/audio/transcriptions",
            versions=VERSIONS,
            provides="openai-audio-transcriptions",
            body="form",
        ),
        PassedEndpoint(
            operation="transcription",
            dialect=NAME,
            path="/audio/translations",
            versions=VERSIONS,
            streams="never",
            provides="openai-audio-translations",
            body="form",
        ),
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Find tokens, seconds or characters."""
        if endpoint.operation == "speech":
            return AnswerFacts(usage=Usage(input_characters=len(text_of(members, "input"))))
        answer = decoded(body)
        usage = parse_usage(as_object(answer.get("usage"))) or duration_usage(answer.get("duration"))
        return AnswerFacts(usage=usage or NO_USAGE)


DIALECT: Final[PassedDialect] = OpenAIAudio()
