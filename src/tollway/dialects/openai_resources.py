"""What OpenAI's APIs of kept things have in common: files, batches, vector stores and so on.

Nothing of them is billed by the call; the results of a batch are, line by line.
"""

from collections.abc import Mapping

import msgspec

from tollway.core.usage import NO_USAGE
from tollway.dialects.caller_fields import as_count, as_object, as_text
from tollway.dialects.openai_chat.usage import parse_usage as parse_chat_usage
from tollway.dialects.openai_passed import OpenAIPassed, decoded, parse_usage
from tollway.dialects.openai_paths import PLAIN_VERSIONS
from tollway.dialects.openai_responses.watch import ResponsesStreamWatch
from tollway.interfaces.dialect import AnswerFacts, Method, Operation, StreamWatch
from tollway.interfaces.passed import BatchLine, Governs, PassedBody, PassedEndpoint


class OpenAIResources(OpenAIPassed):
    """Base of the dialects; each adds its endpoints."""

    kept_members: frozenset[str] = frozenset(
        {
            "file_id",
            "file_ids",
            "input_file_id",
            "training_file",
            "validation_file",
            "vector_store_ids",
            "/previous_response_id",
            "/conversation",
        }
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Nothing is used; the id of what was asked for is noted."""
        del endpoint, members
        return AnswerFacts(usage=NO_USAGE, id=as_text(decoded(body).get("id")))

    def passed_watch(self, endpoint: PassedEndpoint, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of a response that is streamed again: what it used is recorded already."""
        del endpoint, hide_usage
        return _AgainWatch()

    def batch_line(self, line: bytes) -> BatchLine | None:
        """Read one line of a batch's results."""
        value = decoded(line)
        custom_id = as_text(value.get("custom_id"))
        response = as_object(value.get("response"))
        if not custom_id or not response:
            return None
        body = as_object(response.get("body"))
        usage = as_object(body.get("usage"))
        counted = parse_usage(usage) or parse_chat_usage(usage) or NO_USAGE
        return BatchLine(
            custom_id=custom_id,
            status=as_count(response.get("status_code")) or 200,
            model=as_text(body.get("model")),
            response_id=as_text(body.get("id")),
            operation="embeddings" if "data" in body and "choices" not in body else "conversation",
            usage=counted,
        )


class _AgainWatch(ResponsesStreamWatch):
    __slots__ = ()

    def facts(self) -> AnswerFacts:
        return AnswerFacts(usage=NO_USAGE)


def resources(
    name: str,
    operation: Operation,
    root: str,
    *endpoints: tuple[Method, str, Governs],
    body: PassedBody = "json",
    provides: str = "",
) -> tuple[PassedEndpoint, ...]:
    """Write the endpoints below one path: method, what follows it, whose things they are about.

    A `POST` carries `body`, a file comes from a path that ends in `/content`.
    """
    return tuple(
        PassedEndpoint(
            operation=operation,
            dialect=name,
            method=method,
            path=root + below,
            versions=PLAIN_VERSIONS,
            streams="never",
            provides=provides or name,
            below=below,
            body=body if method == "POST" else "none",
            names_model=False,
            repeatable=method == "GET",
            answer="bytes" if below.endswith("/content") else "read",
            governs=governs,
        )
        for method, below, governs in endpoints
    )


MAKES = Governs(claims=("id",))
LISTS = Governs(lists=True)
READS = Governs(ids=("id",))
DELETES = Governs(ids=("id",), releases=True)
