"""Google's countTokens, passed through.

https://ai.google.dev/api/tokens. Counting costs nothing and is not limited by tokens.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.usage import NO_USAGE
from tollway.dialects.gemini_passed import GeminiPassed
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import PassedDialect, PassedEndpoint

NAME: Final = "gemini-count-tokens"


class GeminiCountTokens(GeminiPassed):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = (
        PassedEndpoint(
            operation="token-count",
            dialect=NAME,
            path="/models/{model}:countTokens",
            versions=("/v1beta", "/v1", ""),
            path_names_model=True,
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


DIALECT: Final[PassedDialect] = GeminiCountTokens()
