"""Writes a whole answer as a Responses caller expects it."""

import msgspec

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import Conversation, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.json_value import JsonObject
from tollway.dialects.custom_tools import custom_tool_names, unwrapped
from tollway.dialects.openai_responses.output_items import (
    call_item,
    image_item,
    message_item,
    proof_item,
    reasoning_item,
    refusal_content,
    text_content,
)
from tollway.dialects.openai_responses.proofs import call_proof
from tollway.dialects.openai_responses.response_object import (
    Outcome,
    item_base,
    outcome_of,
    response_id,
    response_object,
)
from tollway.dialects.openai_responses.tools import NAME


def render_answer(answer: Answer, request: Conversation, *, now: int) -> bytes:
    """Write an answer."""
    own = answer.dialect == NAME
    choice = answer.choices[0] if answer.choices else Choice(0, ())
    status, incomplete = outcome_of(choice.finish)
    identity = response_id(answer.id, "tollway", request.kept)
    created = answer.created or now
    writer = _OutputWriter(item_base(identity), custom_tool_names(request), status, own=own)
    outcome = Outcome(
        id=identity,
        model=answer.model or request.model,
        created=created,
        status=status,
        output=writer.write(choice),
        usage=answer.usage,
        usage_rest=answer.usage_rest if own else {},
        completed=max(now, created) if status == "completed" else None,
        incomplete=incomplete,
        service_tier=answer.service_tier,
        rest=answer.rest if own else {},
    )
    return msgspec.json.encode(response_object(request, outcome))


class _OutputWriter:
    """Groups parts into items."""

    def __init__(self, base: str, custom: frozenset[str], status: str, *, own: bool) -> None:
        self._base = base
        self._custom = custom
        self._status = status
        self._own = own
        self._items: list[JsonObject] = []
        self._contents: list[JsonObject] = []

    def write(self, choice: Choice) -> list[JsonObject]:
        """Write a choice's items."""
        texts = [part for part in choice.parts if isinstance(part, Text)]
        for part in choice.parts:
            if isinstance(part, Text):
                # Log probabilities are told for the whole choice; only a single text can own them.
                logprobs = choice.logprobs if len(texts) == 1 else None
                self._contents.append(text_content(part.text, part.annotations, logprobs))
            elif isinstance(part, Refusal):
                self._contents.append(refusal_content(part.text))
            else:
                self._end_message("completed")
                self._other(part)
        self._end_message(self._status)
        return self._items

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{self._base}{len(self._items)}"

    def _end_message(self, status: str) -> None:
        if self._contents:
            self._items.append(message_item(self._id("msg"), self._contents, status))
            self._contents = []

    def _other(self, part: Part) -> None:
        match part:
            case Reasoning():
                self._items.append(reasoning_item(part.id or self._id("rs"), part, own=self._own))
            case ToolCall():
                self._call(part)
            case Image() if part.data is not None:
                self._items.append(image_item(self._id("ig"), part.data))
            case Opaque() if part.dialect == NAME:
                self._items.append(part.value)
            case _:
                pass  # built-in work of another provider's API, which this one has no item for

    def _call(self, call: ToolCall) -> None:
        if call.signature is not None:
            self._items.append(proof_item(self._id("rs"), call_proof(call.signature)))
        custom = call.custom or call.name in self._custom
        arguments = call.arguments if custom else call.arguments or "{}"
        if custom and not call.custom:
            arguments = unwrapped(call.arguments)
        identity = call.item_id or self._id("ctc" if custom else "fc")
        item = call_item(identity, call.id, call.name, arguments, custom=custom, status="completed")
        self._items.append(item | call.rest if self._own else item)
