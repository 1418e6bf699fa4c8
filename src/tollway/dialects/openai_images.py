"""OpenAI's Images API, passed through. https://platform.openai.com/docs/api-reference/images.

Its `usage` counts input and output tokens, which include every part named beside them. Output tokens
that are not broken down are those of pictures. Models that report no tokens are billed by the picture.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.caller_fields import as_list, as_object
from tollway.dialects.openai_passed import EdgesWatch, OpenAIPassed, decoded, parse_usage
from tollway.dialects.openai_paths import VERSIONS
from tollway.interfaces.dialect import AnswerFacts, StreamWatch
from tollway.interfaces.passed import PassedBody, PassedDialect, PassedEndpoint

NAME: Final = "openai-images"


def _endpoint(word: str, body: PassedBody) -> PassedEndpoint:
    return PassedEndpoint(
        operation="image",
        dialect=NAME,
        path=f"/images/{word}",
        versions=VERSIONS,
        provides=f"openai-images-{word}",
        body=body,
    )


class OpenAIImages(OpenAIPassed):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = (
        _endpoint("generations", "json"),
        _endpoint("edits", "form"),
        _endpoint("variations", "form"),
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Find the tokens, or count the pictures."""
        del endpoint, members
        answer = decoded(body)
        usage = _of_pictures(parse_usage(as_object(answer.get("usage"))))
        return AnswerFacts(usage=usage or Usage(output_images=len(as_list(answer.get("data")))))

    def passed_watch(self, endpoint: PassedEndpoint, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one stream of partial pictures."""
        del endpoint, hide_usage
        return _PicturesWatch()


class _PicturesWatch(EdgesWatch):
    __slots__ = ()

    def facts(self) -> AnswerFacts:
        return AnswerFacts(
            usage=_of_pictures(super().facts().usage) or (Usage(output_images=1) if self.ended else NO_USAGE)
        )


def _of_pictures(usage: Usage | None) -> Usage | None:
    """Take output tokens that were not broken down for those of pictures."""
    if usage is None or usage.output_image or usage.anomaly:
        return usage
    return msgspec.structs.replace(usage, output_text=0, output_image=usage.output_text)


DIALECT: Final[PassedDialect] = OpenAIImages()
