"""What Messages calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "max_output_tokens": "max_tokens",
    "stop": "stop_sequences",
    "user": "metadata.user_id",
    "output": "output_config.format",
    "reasoning": "thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "thinking": "messages.thinking",
    "cache": "cache_control",
    "tool_strict": "tools.strict",
}
