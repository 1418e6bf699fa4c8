"""What Cohere's Chat calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "max_output_tokens": "max_tokens",
    "top_p": "p",
    "top_k": "k",
    "stop": "stop_sequences",
    "output": "response_format",
    "reasoning": "thinking",
    "thinking": "messages.thinking",
    "tool_strict": "strict_tools",
}
