"""Anthropic's count of a message's tokens, passed through.

https://docs.anthropic.com/en/api/messages-count-tokens. Counting costs nothing and is not limited by tokens.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.usage import NO_USAGE
from tollway.dialects.anthropic_passed import AnthropicPassed
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import PassedDialect, PassedEndpoint

NAME: Final = "anthropic-count-tokens"


class AnthropicCountTokens(AnthropicPassed):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = (
        PassedEndpoint(
            operation="token-count",
            dialect=NAME,
            path="/messages/count_tokens",
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


DIALECT: Final[PassedDialect] = AnthropicCountTokens()
