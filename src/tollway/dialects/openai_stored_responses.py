"""Responses and conversations that OpenAI keeps, passed through.

https://platform.openai.com/docs/api-reference/responses, https://platform.openai.com/docs/api-reference/conversations.
"""

from typing import Final

from tollway.dialects.openai_resources import DELETES, MAKES, READS, OpenAIResources, resources
from tollway.interfaces.passed import PassedDialect, PassedEndpoint

NAME: Final = "openai-stored-responses"
_CONVERSATIONS: Final = "openai-conversations"
_ENDPOINTS: Final = (
    *resources(
        NAME,
        "stored-response",
        "/responses",
        ("GET", "/{id}", READS),
        ("DELETE", "/{id}", DELETES),
        ("GET", "/{id}/input_items", READS),
    ),
    *resources(NAME, "stored-response", "/responses", ("POST", "/{id}/cancel", READS), body="none"),
    *resources(
        NAME,
        "stored-conversation",
        "/conversations",
        ("POST", "", MAKES),
        ("GET", "/{id}", READS),
        ("POST", "/{id}", READS),
        ("DELETE", "/{id}", DELETES),
        ("POST", "/{id}/items", READS),
        ("GET", "/{id}/items", READS),
        ("GET", "/{id}/items/{item_id}", READS),
        ("DELETE", "/{id}/items/{item_id}", READS),
        provides=_CONVERSATIONS,
    ),
)


class OpenAIStoredResponses(OpenAIResources):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = _ENDPOINTS


DIALECT: Final[PassedDialect] = OpenAIStoredResponses()
