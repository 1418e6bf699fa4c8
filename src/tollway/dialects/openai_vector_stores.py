"""OpenAI's vector stores, passed through.

https://platform.openai.com/docs/api-reference/vector-stores.
What is below a store belongs to whom the store belongs to
"""

from typing import Final

from tollway.dialects.openai_resources import DELETES, LISTS, MAKES, READS, OpenAIResources, resources
from tollway.interfaces.passed import Governs, PassedDialect, PassedEndpoint

NAME: Final = "openai-vector-stores"
_BOTH: Final = Governs(ids=("id", "file_id"))
_ENDPOINTS: Final = (
    *resources(
        NAME,
        "vector-store",
        "/vector_stores",
        ("POST", "", MAKES),
        ("GET", "", LISTS),
        ("GET", "/{id}", READS),
        ("POST", "/{id}", READS),
        ("DELETE", "/{id}", DELETES),
        ("POST", "/{id}/search", READS),
        ("POST", "/{id}/files", READS),
        ("GET", "/{id}/files", READS),
        ("GET", "/{id}/files/{file_id}", _BOTH),
        ("POST", "/{id}/files/{file_id}", _BOTH),
        ("DELETE", "/{id}/files/{file_id}", _BOTH),
        ("GET", "/{id}/files/{file_id}/content", _BOTH),
        ("POST", "/{id}/file_batches", READS),
        ("GET", "/{id}/file_batches/{batch_id}", READS),
        ("GET", "/{id}/file_batches/{batch_id}/files", READS),
    ),
    *resources(
        NAME, "vector-store", "/vector_stores", ("POST", "/{id}/file_batches/{batch_id}/cancel", READS), body="none"
    ),
)


class OpenAIVectorStores(OpenAIResources):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = _ENDPOINTS


DIALECT: Final[PassedDialect] = OpenAIVectorStores()
