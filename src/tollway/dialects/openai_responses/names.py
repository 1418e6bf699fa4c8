"""What Responses calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "messages": "input",
    "output": "text.format",
    "verbosity": "text.verbosity",
    "logprobs": "include",
    "thinking": "input.reasoning",
    "tool_strict": "tools.strict",
}
