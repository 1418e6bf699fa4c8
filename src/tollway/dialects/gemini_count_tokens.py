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

_PLACES: Final = (
    ("/models/{model}", ("/v1beta", "/v1", "")),
    # As SDKs in cloud mode ask, with a project and a location that the gateway's route says.
    ("/publishers/google/models/{model}", ("/v1beta1", "/v1", "")),
    ("/projects/{scope}/publishers/google/models/{model}", ("/v1beta1", "/v1", "")),
)


class GeminiCountTokens(GeminiPassed):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = tuple(
        PassedEndpoint(
            operation="token-count",
            dialect=NAME,
            path=f"{place}:countTokens",
            versions=versions,
            path_names_model=True,
            streams="never",
            provides=NAME,
            estimates=True,
        )
        for place, versions in _PLACES
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Nothing is used."""
        del endpoint, members, body
        return AnswerFacts(usage=NO_USAGE)


DIALECT: Final[PassedDialect] = GeminiCountTokens()
