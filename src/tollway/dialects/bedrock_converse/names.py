"""What Converse calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "max_output_tokens": "inferenceConfig.maxTokens",
    "temperature": "inferenceConfig.temperature",
    "top_p": "inferenceConfig.topP",
    "stop": "inferenceConfig.stopSequences",
    "top_k": "additionalModelRequestFields.top_k",
    "reasoning": "additionalModelRequestFields.thinking",
    "output": "outputConfig.textFormat",
    "tools": "toolConfig.tools",
    "tool_choice": "toolConfig.toolChoice",
    "metadata": "requestMetadata",
    "service_tier": "serviceTier",
    "thinking": "messages.content.reasoningContent",
    "cache": "cachePoint",
    "tool_strict": "toolConfig.tools.toolSpec.strict",
}
