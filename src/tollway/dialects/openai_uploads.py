"""OpenAI's Uploads API, passed through: files in parts.

https://platform.openai.com/docs/api-reference/uploads.
"""

from typing import Final

from tollway.dialects.openai_resources import MAKES, READS, OpenAIResources, resources
from tollway.interfaces.passed import Governs, PassedDialect, PassedEndpoint

NAME: Final = "openai-uploads"
_ENDPOINTS: Final = (
    *resources(
        NAME,
        "upload",
        "/uploads",
        ("POST", "", MAKES),
        ("POST", "/{id}/complete", Governs(ids=("id",), claims=("file",))),
    ),
    *resources(NAME, "upload", "/uploads", ("POST", "/{id}/parts", READS), body="form"),
    *resources(NAME, "upload", "/uploads", ("POST", "/{id}/cancel", READS), body="none"),
)


class OpenAIUploads(OpenAIResources):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = _ENDPOINTS


DIALECT: Final[PassedDialect] = OpenAIUploads()
