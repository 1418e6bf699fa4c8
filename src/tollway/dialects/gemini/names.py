"""What generateContent calls the neutral fields."""

from collections.abc import Mapping
from typing import Final

FIELD_NAMES: Final[Mapping[str, str]] = {
    "messages": "contents",
    "max_output_tokens": "generationConfig.maxOutputTokens",
    "temperature": "generationConfig.temperature",
    "top_p": "generationConfig.topP",
    "top_k": "generationConfig.topK",
    "presence_penalty": "generationConfig.presencePenalty",
    "frequency_penalty": "generationConfig.frequencyPenalty",
    "seed": "generationConfig.seed",
    "stop": "generationConfig.stopSequences",
    "count": "generationConfig.candidateCount",
    "output": "generationConfig.responseMimeType",
    "reasoning": "generationConfig.thinkingConfig",
    "modalities": "generationConfig.responseModalities",
    "logprobs": "generationConfig.responseLogprobs",
    "top_logprobs": "generationConfig.logprobs",
    "tool_choice": "toolConfig",
    "thinking": "contents.parts.thought",
    "service_tier": "serviceTier",
}
