"""What Chat Completions calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "count": "n",
    "max_output_tokens": "max_completion_tokens",
    "output": "response_format",
    "reasoning": "reasoning_effort",
    "thinking": "messages.reasoning",
    "tool_strict": "tools.function.strict",
}
