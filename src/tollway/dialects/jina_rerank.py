"""Jina's Rerank API, and the servers that speak it (vLLM, text-embeddings-inference). https://jina.ai/reranker."""

from typing import Final

from tollway.core.json_value import JsonObject
from tollway.core.rerank import RerankAnswer
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_count, as_object
from tollway.dialects.openai_paths import PLAIN_VERSIONS
from tollway.dialects.ranking import Ranking, RankingWords
from tollway.interfaces.dialect import Endpoint, RerankDialect

NAME: Final = "jina-rerank"


def _usage(answer: JsonObject) -> Usage | None:
    usage = as_object(answer.get("usage"))
    if "total_tokens" not in usage and "prompt_tokens" not in usage:
        return None
    return Usage(input_fresh=as_count(usage.get("total_tokens")) or as_count(usage.get("prompt_tokens")))


def _meta(answer: RerankAnswer) -> JsonObject:
    usage = answer.usage or Usage(source="none")
    return {"model": answer.model, "usage": {"total_tokens": usage.total_tokens, "prompt_tokens": usage.input_tokens}}


DIALECT: Final[RerankDialect] = Ranking(
    NAME,
    "openai",  # no format of its own: servers of that family have it beside the other paths
    [Endpoint(operation="rerank", dialect=NAME, path="/rerank", versions=PLAIN_VERSIONS, streams="never")],
    RankingWords(objects=True),
    usage=_usage,
    meta=_meta,
)
