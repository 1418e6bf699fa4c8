"""Voyage AI's embeddings, documented at https://docs.voyageai.com/reference/embeddings-api.

`encoding_format` is `base64` or absent; the API refuses `float`, and `dimensions` under that name.
"""

from typing import Final

from tollway.dialects.listed_embeddings import ListedEmbeddings, Words
from tollway.interfaces.dialect import EmbeddingsDialect

_WORDS: Final = Words(
    whose="a Voyage",
    dimensions="output_dimension",
    encoding="encoding_format",
    truncate="truncation",
    task="input_type",
    tasks={"query": "query", "document": "document"},
)

DIALECT: Final[EmbeddingsDialect] = ListedEmbeddings("voyage-embeddings", _WORDS)
