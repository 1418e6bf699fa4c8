"""What every dialect must decide alike when it writes a request that another dialect's caller made.

Rules of this file:
- A field the provider's dialect has no word for is left out and reported under the caller's own
  name for it, except where leaving it out would make it another request: that is refused.
- Fields unknown to the caller's own dialect pass through, untouched.
"""

from collections.abc import Iterable
from typing import Final, NoReturn

from tollway.core.conversation import Conversation, DialectName, Losses, Tool
from tollway.core.errors import BadRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.field_names import field_name, tool_type, unset

_EFFORT_BY_BUDGET: Final = ((2_048, "low"), (10_240, "medium"), (32_768, "high"))


def refuse_field(request: Conversation, field: str, why: str) -> NoReturn:
    """Refuse a neutral field that this provider's API cannot express.

    Raises:
        BadRequest: always; `param` is the caller's own name.
    """
    name = field_name(request.dialect, field)
    raise BadRequest(f"{name}: {why}", code="unsupported_parameter", param=name)


def refuse_content(request: Conversation, why: str) -> NoReturn:
    """Refuse a part of the messages that this provider's API cannot express.

    Raises:
        BadRequest: always; `param` is what the caller calls its messages.
    """
    place = messages_name(request.dialect)
    raise BadRequest(f"{place}: {why}", code="unsupported_parameter", param=place)


def messages_name(dialect: DialectName) -> str:
    """Give what callers of a dialect call their messages."""
    return field_name(dialect, "messages")


def carried_modalities(request: Conversation, losses: Losses) -> None:
    """Report wishes for more than text; refuse those for no text at all.

    Raises:
        BadRequest: the caller wants an answer without words.
    """
    wanted = {one.lower() for one in request.modalities}
    if wanted and "text" not in wanted:
        refuse_field(request, "modalities", "this provider answers in text only")
    if wanted - {"text"}:
        losses.drop(field_name(request.dialect, "modalities"))


def carried_specific(request: Conversation, own: DialectName, losses: Losses) -> JsonObject:
    """Give the caller's dialect-specific fields to a provider of the same dialect; drop them for others.

    Raises:
        BadRequest: one of them is essential and the provider speaks another dialect.
    """
    if request.dialect == own:
        return request.specific
    for name in request.essential:
        raise BadRequest(
            f"{name}: the provider of model {request.model!r} has nothing like it; "
            "leave it out, or choose a model whose provider speaks this API itself",
            code="unsupported_parameter",
            param=name,
        )
    for name in request.specific:
        losses.drop(name)
    return {}


def carried_tools(request: Conversation, own: DialectName, losses: Losses) -> tuple[Tool, ...]:
    """Leave out other dialects' built-in tools, and report each.

    Raises:
        BadRequest: the caller demands a call of one that is left out, or of any when none is left.
    """
    kept = tuple(tool for tool in request.tools if tool.builtin is None or tool.builtin.dialect == own)
    for tool in request.tools:
        if tool.builtin is not None and tool.builtin.dialect != own:
            losses.drop(tool_type(tool))
    choice = request.tool_choice
    if choice is None:
        return kept
    foreign = choice.mode == "opaque" and choice.opaque is not None and choice.opaque.dialect != own
    demanded = choice.mode in {"required", "named"} or (choice.mode == "allowed" and choice.required)
    if foreign or (demanded and request.tools and not kept):
        refuse_field(request, "tool_choice", "demands a built-in tool that the model's provider does not have")
    return kept


def effort_for_budget(budget_tokens: int) -> str:
    """The reasoning effort that stands nearest to a budget of thinking tokens."""
    return next((effort for limit, effort in _EFFORT_BY_BUDGET if budget_tokens <= limit), "high")


def drop_set_fields(request: Conversation, fields: Iterable[str], losses: Losses) -> None:
    """Report neutral fields that the dialect has no word for, where the caller set them."""
    for field in fields:
        if not unset(request, field):
            losses.drop(field_name(request.dialect, field))
