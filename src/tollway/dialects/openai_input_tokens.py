"""OpenAI's count of a response's input tokens, passed through.

https://platform.openai.com/docs/api-reference/responses/input-tokens.
Counting costs nothing and is not limited by tokens.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.usage import NO_USAGE
from tollway.dialects.openai_passed import OpenAIPassed
from tollway.dialects.openai_paths import PLAIN_VERSIONS
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import PassedDialect, PassedEndpoint

NAME: Final = "openai-input-tokens"


class OpenAIInputTokens(OpenAIPassed):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = (
        PassedEndpoint(
            operation="token-count",
            dialect=NAME,
            path="/responses/input_tokens",
            versions=PLAIN_VERSIONS,
            streams="never",
            provides=NAME,
            estimates=True,
        ),
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Nothing is used."""
        del endpoint, members, body
        return AnswerFacts(usage=NO_USAGE)


DIALECT: Final[PassedDialect] = OpenAIInputTokens()
