"""Voyage's Rerank API. https://docs.voyageai.com/reference/reranker-api.

Its path is Jina's too, so its own callers are told by the prefix `/voyage`.
"""

from typing import Final

from tollway.core.json_value import JsonObject
from tollway.core.rerank import RerankAnswer
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_count, as_object
from tollway.dialects.ranking import Ranking, RankingWords
from tollway.interfaces.dialect import Endpoint, RerankDialect

NAME: Final = "voyage-rerank"


def _usage(answer: JsonObject) -> Usage | None:
    usage = as_object(answer.get("usage"))
    return Usage(input_fresh=as_count(usage.get("total_tokens"))) if "total_tokens" in usage else None


def _meta(answer: RerankAnswer) -> JsonObject:
    usage = answer.usage or Usage(source="none")
    return {"object": "list", "model": answer.model, "usage": {"total_tokens": usage.total_tokens}}


DIALECT: Final[RerankDialect] = Ranking(
    NAME,
    "openai",
    [Endpoint(operation="rerank", dialect=NAME, path="/rerank", versions=("/voyage/v1",), streams="never")],
    RankingWords(top_n="top_k", results="data", plain_documents=True),
    usage=_usage,
    meta=_meta,
)
