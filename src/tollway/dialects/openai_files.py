"""OpenAI's Files API, passed through.

https://platform.openai.com/docs/api-reference/files.
"""

from typing import Final

from tollway.dialects.openai_resources import DELETES, LISTS, MAKES, READS, OpenAIResources, resources
from tollway.interfaces.passed import Governs, PassedDialect, PassedEndpoint

NAME: Final = "openai-files"
_ENDPOINTS: Final = (
    *resources(NAME, "file", "/files", ("POST", "", MAKES), body="form"),
    *resources(
        NAME,
        "file",
        "/files",
        ("GET", "", LISTS),
        ("GET", "/{id}", READS),
        ("DELETE", "/{id}", DELETES),
        ("GET", "/{id}/content", Governs(ids=("id",), results="file")),
    ),
)


class OpenAIFiles(OpenAIResources):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = _ENDPOINTS


DIALECT: Final[PassedDialect] = OpenAIFiles()
