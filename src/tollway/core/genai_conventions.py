"""Names of the OpenTelemetry conventions for generative AI, in the two vocabularies that are in use.

A, the default: semantic-conventions v1.41, the last with these names in the main repository.
B: the text of semantic-conventions-genai (2026), where token metrics were split and renamed.

All of it is marked "Development" by OpenTelemetry, so expect change; nothing else in the project spells these names.
`gen_ai.usage.input_tokens` includes cached tokens in both, as our own `input_tokens` does.
"""

from typing import Final, Literal

Vocabulary = Literal["A", "B"]

# Attributes of spans and metrics, the same in both vocabularies.
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_STREAM: Final = "gen_ai.request.stream"
RESPONSE_MODEL: Final = "gen_ai.response.model"
RESPONSE_ID: Final = "gen_ai.response.id"
FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
RESPONSE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.response.time_to_first_chunk"
USAGE_INPUT: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT: Final = "gen_ai.usage.output_tokens"
USAGE_CACHE_READ: Final = "gen_ai.usage.cache_read.input_tokens"
USAGE_REASONING: Final = "gen_ai.usage.reasoning.output_tokens"
SERVICE_TIER: Final = "openai.response.service_tier"
ERROR_TYPE: Final = "error.type"
STATUS_CODE: Final = "http.response.status_code"

USAGE_CACHE_WRITE: Final[dict[Vocabulary, str]] = {
    "A": "gen_ai.usage.cache_creation.input_tokens",
    "B": "gen_ai.usage.cache_write.input_tokens",
}

# Metrics of vocabulary A.
TOKEN_TYPE: Final = "gen_ai.token.type"  # noqa: S105 - tokens of text
TOKEN_USAGE: Final = "gen_ai.client.token.usage"  # noqa: S105
OPERATION_DURATION: Final = "gen_ai.client.operation.duration"
TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.operation.time_to_first_chunk"
SERVER_REQUEST_DURATION: Final = "gen_ai.server.request.duration"
SERVER_TIME_TO_FIRST_TOKEN: Final = "gen_ai.server.time_to_first_token"  # noqa: S105
SERVER_TIME_PER_OUTPUT_TOKEN: Final = "gen_ai.server.time_per_output_token"  # noqa: S105

# Metrics of vocabulary B.
TOKEN_MODALITY: Final = "gen_ai.token.modality"  # noqa: S105
INFERENCE_DURATION: Final = "gen_ai.client.inference.duration"
INFERENCE_TIME_TO_FIRST_CHUNK: Final = "gen_ai.client.inference.time_to_first_chunk"
INFERENCE_INPUT_TOKENS: Final = "gen_ai.client.inference.operation.input_tokens"
INFERENCE_OUTPUT_TOKENS: Final = "gen_ai.client.inference.operation.output_tokens"
INFERENCE_USAGE_INPUT: Final = "gen_ai.client.inference.usage.input_tokens"
INFERENCE_USAGE_OUTPUT: Final = "gen_ai.client.inference.usage.output_tokens"
INFERENCE_USAGE_CACHE_READ: Final = "gen_ai.client.inference.usage.cache_read.input_tokens"
INFERENCE_USAGE_CACHE_WRITE: Final = "gen_ai.client.inference.usage.cache_write.input_tokens"
INFERENCE_USAGE_REASONING: Final = "gen_ai.client.inference.usage.reasoning.output_tokens"

# Bucket bounds that the conventions advise; seconds and tokens.
DURATION_BOUNDS: Final = tuple(0.01 * 2**power for power in range(14))
TOKEN_BOUNDS: Final = tuple(4**power for power in range(14))
FIRST_TOKEN_BOUNDS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_TOKEN_BOUNDS: Final = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)


def operation_name(operation: str, provider_dialect: str) -> str:
    """Give the convention's word for one of our operations; our own word where it has none."""
    if operation != "conversation":
        return operation
    return "generate_content" if provider_dialect == "gemini" else "chat"
