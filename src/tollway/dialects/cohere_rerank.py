"""Cohere's Rerank API, versions 1 and 2. https://docs.cohere.com/reference/rerank.

It bills search units: one query with up to 100 documents.
"""

from typing import Final

from tollway.core.json_value import JsonObject
from tollway.core.rerank import RerankAnswer
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_count, as_object
from tollway.dialects.ranking import Ranking, RankingWords
from tollway.interfaces.dialect import Endpoint, RerankDialect

NAME: Final = "cohere-rerank"


def _usage(answer: JsonObject) -> Usage | None:
    billed = as_object(as_object(answer.get("meta")).get("billed_units"))
    if not billed:
        return None
    return Usage(search_units=as_count(billed.get("search_units")), input_fresh=as_count(billed.get("input_tokens")))


def _meta(answer: RerankAnswer) -> JsonObject:
    usage = answer.usage
    units: JsonObject = {}
    if usage is not None:
        units = {"search_units": usage.search_units} if usage.search_units else {"input_tokens": usage.input_tokens}
    return {"id": answer.id, "meta": {"api_version": {"version": "2"}, "billed_units": units}}


DIALECT: Final[RerankDialect] = Ranking(
    NAME,
    "cohere",
    [Endpoint(operation="rerank", dialect=NAME, path="/rerank", versions=("/v2", "/v1"), streams="never")],
    RankingWords(objects=True),
    usage=_usage,
    meta=_meta,
)
