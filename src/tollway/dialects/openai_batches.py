"""OpenAI's Batch API, passed through.

https://platform.openai.com/docs/api-reference/batch.
"""

from typing import Final

from tollway.dialects.openai_resources import MAKES, OpenAIResources, resources
from tollway.interfaces.passed import Governs, PassedDialect, PassedEndpoint

NAME: Final = "openai-batches"
_RESULTS: Final = ("output_file_id", "error_file_id")
_ENDPOINTS: Final = (
    *resources(
        NAME,
        "batch",
        "/batches",
        ("POST", "", MAKES),
        ("GET", "", Governs(lists=True, claims=_RESULTS, results_of=True)),
        ("GET", "/{id}", Governs(ids=("id",), claims=_RESULTS, results_of=True)),
    ),
    *resources(
        NAME,
        "batch",
        "/batches",
        ("POST", "/{id}/cancel", Governs(ids=("id",), claims=_RESULTS, results_of=True)),
        body="none",
    ),
)


class OpenAIBatches(OpenAIResources):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = _ENDPOINTS


DIALECT: Final[PassedDialect] = OpenAIBatches()
