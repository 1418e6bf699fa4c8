"""OpenAI's fine-tuning jobs, passed through.

https://platform.openai.com/docs/api-reference/fine-tuning.
"""

from typing import Final

from tollway.dialects.openai_resources import MAKES, READS, OpenAIResources, resources
from tollway.interfaces.passed import Governs, PassedDialect, PassedEndpoint

NAME: Final = "openai-fine-tuning"
_RESULTS: Final = ("result_files",)
_ENDPOINTS: Final = (
    *resources(
        NAME,
        "fine-tuning",
        "/fine_tuning/jobs",
        ("POST", "", MAKES),
        ("GET", "", Governs(lists=True, claims=_RESULTS)),
        ("GET", "/{id}", Governs(ids=("id",), claims=_RESULTS)),
        ("GET", "/{id}/events", READS),
        ("GET", "/{id}/checkpoints", READS),
    ),
    *resources(
        NAME,
        "fine-tuning",
        "/fine_tuning/jobs",
        ("POST", "/{id}/cancel", READS),
        ("POST", "/{id}/pause", READS),
        ("POST", "/{id}/resume", READS),
        body="none",
    ),
)


class OpenAIFineTuning(OpenAIResources):
    """The dialect."""

    name: str = NAME
    endpoints: tuple[PassedEndpoint, ...] = _ENDPOINTS


DIALECT: Final[PassedDialect] = OpenAIFineTuning()
