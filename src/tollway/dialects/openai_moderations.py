"""OpenAI's Moderations API, passed through. https://platform.openai.com/docs/api-reference/moderations."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.usage import NO_USAGE
from tollway.dialects.caller_fields import as_text
from tollway.dialects.openai_passed import OpenAIPassed, decoded
from tollway.dialects.openai_paths import VERSIONS
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import PassedDialect, PassedEndpoint

NAME: Final = "openai-moderations"


class OpenAIModerations(OpenAIPassed):
    """The dialect. Nothing is counted: the API reports no tokens and is not billed."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = (
        PassedEndpoint(
            operation="moderation",
            dialect=NAME,
            path="/moderations",
            versions=VERSIONS,
            streams="never",
            provides="openai-moderations",
        ),
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Find the served model and the id."""
        del endpoint, members
        answer = decoded(body)
        return AnswerFacts(usage=NO_USAGE, model=as_text(answer.get("model")), id=as_text(answer.get("id")))


DIALECT: Final[PassedDialect] = OpenAIModerations()
