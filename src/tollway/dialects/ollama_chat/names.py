"""What Ollama's Chat calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "max_output_tokens": "options.num_predict",
    "temperature": "options.temperature",
    "top_p": "options.top_p",
    "top_k": "options.top_k",
    "presence_penalty": "options.presence_penalty",
    "frequency_penalty": "options.frequency_penalty",
    "seed": "options.seed",
    "stop": "options.stop",
    "output": "format",
    "reasoning": "think",
    "thinking": "messages.thinking",
}
