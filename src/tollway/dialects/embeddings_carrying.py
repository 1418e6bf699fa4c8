"""What every embeddings dialect must decide alike when it writes a request that another dialect's caller made.

Rules of this file:
- As with conversations: what the provider's API has no word for is left out and reported under the
  caller's own name for it; fields unknown to the caller's own dialect pass through.
"""

from collections.abc import Iterable, Mapping

from tollway.core.conversation import DialectName, Losses
from tollway.core.embeddings import EmbeddingsRequest
from tollway.core.errors import BadRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.registry import embeddings_dialect


def embeddings_field_name(dialect: DialectName, field: str) -> str:
    """Give the caller's own name of a neutral field."""
    return embeddings_dialect(dialect).field_names.get(field, field)


def drop_set_embeddings_fields(request: EmbeddingsRequest, fields: Iterable[str], losses: Losses) -> None:
    """Report neutral fields that the dialect has no word for, where the caller set them."""
    for field in fields:
        if getattr(request, field) is not None:
            losses.drop(embeddings_field_name(request.dialect, field))


def carried_embeddings_specific(request: EmbeddingsRequest, own: DialectName, losses: Losses) -> JsonObject:
    """Give the caller's dialect-specific fields to a provider of the same dialect; drop them for others."""
    if request.dialect == own:
        return request.specific
    for name in request.specific:
        losses.drop(name)
    return {}


def carried_task(request: EmbeddingsRequest, words: Mapping[str, str], own: DialectName, losses: Losses) -> str | None:
    """Give a task in a vendor's word; a word the vendor does not know is dropped, unless it is its own."""
    if request.task is None:
        return None
    word = words.get(request.task) or (request.task if request.dialect == own else None)
    if word is None:
        losses.drop(embeddings_field_name(request.dialect, "task"))
    return word


def neutral_task(word: str | None, words: Mapping[str, str]) -> str | None:
    """Read a vendor's word for a task; one that no neutral word stands for stays."""
    return next((neutral for neutral, own in words.items() if own == word), word)


def text_inputs(request: EmbeddingsRequest, whose: str) -> tuple[str, ...]:
    """Give the inputs of a request for a provider that takes text alone; `whose` names its models.

    Raises:
        BadRequest: an input is a list of tokens, which only the model's own vocabulary can read.
    """
    name = embeddings_field_name(request.dialect, "inputs")
    found: list[str] = []
    for position, text in enumerate(request.inputs):
        if not isinstance(text, str):
            param = name if request.single else f"{name}[{position}]"
            raise BadRequest(
                f"{param}: {whose} model takes text, not tokens of another model's vocabulary",
                code="unsupported_parameter",
                param=param,
            )
        found.append(text)
    return tuple(found)
