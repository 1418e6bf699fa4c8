"""Jina AI's embeddings, documented at https://jina.ai/embeddings."""

from typing import Final

from tollway.dialects.listed_embeddings import ListedEmbeddings, Words
from tollway.interfaces.dialect import EmbeddingsDialect

_WORDS: Final = Words(
    whose="a Jina",
    dimensions="dimensions",
    encoding="embedding_type",
    floats="float",
    truncate="truncate",
    task="task",
    tasks={
        "query": "retrieval.query",
        "document": "retrieval.passage",
        "classification": "classification",
        "clustering": "separation",
        "similarity": "text-matching",
    },
)

DIALECT: Final[EmbeddingsDialect] = ListedEmbeddings("jina-embeddings", _WORDS)
