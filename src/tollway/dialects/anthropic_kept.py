"""Anthropic's Message Batches and Files APIs, passed through.

https://docs.anthropic.com/en/api/creating-message-batches, https://docs.anthropic.com/en/api/files-create.
Results are fetched from an address in the batch (`results_url`), which leads to the gateway instead.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.json_value import JsonObject
from tollway.core.usage import NO_USAGE
from tollway.dialects.anthropic_messages.usage import read_usage
from tollway.dialects.anthropic_passed import AnthropicPassed
from tollway.dialects.caller_fields import as_list, as_object, as_text
from tollway.dialects.openai_passed import decoded
from tollway.interfaces.dialect import AnswerFacts, Method, Operation
from tollway.interfaces.passed import BatchLine, Governs, PassedBody, PassedDialect, PassedEndpoint

NAME: Final = "anthropic-kept"
_BATCHES: Final = "/messages/batches"
_MAKES: Final = Governs(claims=("id",))
_LISTS: Final = Governs(lists=True)
_READS: Final = Governs(ids=("id",))
_DELETES: Final = Governs(ids=("id",), releases=True)


def _endpoint(method: Method, root: str, below: str, governs: Governs, *, body: PassedBody = "none") -> PassedEndpoint:
    batch = root == _BATCHES
    operation: Operation = "batch" if batch else "file"
    return PassedEndpoint(
        operation=operation,
        dialect=NAME,
        method=method,
        path=root + below,
        streams="never",
        provides="anthropic-batches" if batch else "anthropic-files",
        below=below,
        body=body,
        names_model=False,
        repeatable=method == "GET",
        answer="bytes" if below.endswith(("/content", "/results")) else "read",
        governs=governs,
    )


class AnthropicKept(AnthropicPassed):
    """The dialect."""

    name: str = NAME
    kept_members: frozenset[str] = frozenset({"file_id"})
    endpoints: tuple[PassedEndpoint, ...] = (
        _endpoint("POST", _BATCHES, "", _MAKES, body="json"),
        _endpoint("GET", _BATCHES, "", _LISTS),
        _endpoint("GET", _BATCHES, "/{id}", _READS),
        _endpoint("DELETE", _BATCHES, "/{id}", _DELETES),
        _endpoint("POST", _BATCHES, "/{id}/cancel", _READS),
        _endpoint("GET", _BATCHES, "/{id}/results", Governs(ids=("id",), results="own")),
        _endpoint("POST", "/files", "", _MAKES, body="form"),
        _endpoint("GET", "/files", "", _LISTS),
        _endpoint("GET", "/files", "/{id}", _READS),
        _endpoint("DELETE", "/files", "/{id}", _DELETES),
        _endpoint("GET", "/files", "/{id}/content", _READS),
    )

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Nothing is used; the id of what was asked for is noted."""
        del endpoint, members
        return AnswerFacts(usage=NO_USAGE, id=as_text(decoded(body).get("id")))

    def batch_line(self, line: bytes) -> BatchLine | None:
        """Read one line of a batch's results."""
        value = decoded(line)
        custom_id, result = as_text(value.get("custom_id")), as_object(value.get("result"))
        if not custom_id or not result:
            return None
        message = as_object(result.get("message"))
        usage = as_object(message.get("usage"))
        return BatchLine(
            custom_id=custom_id,
            status=200 if result.get("type") == "succeeded" else 400,
            model=as_text(message.get("model")),
            response_id=as_text(message.get("id")),
            usage=read_usage(usage) if usage else NO_USAGE,
        )

    def rewrite_links(self, answer: JsonObject, base: str) -> None:
        """Let `results_url` lead here, in a batch and in a list of them."""
        for one in (answer, *map(as_object, as_list(answer.get("data")))):
            if isinstance(one.get("results_url"), str):
                one["results_url"] = f"{base}/v1{_BATCHES}/{as_text(one.get('id'))}/results"


DIALECT: Final[PassedDialect] = AnthropicKept()
