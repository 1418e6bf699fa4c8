"""The models that each simulated provider knows, and the name it answers under."""

from __future__ import annotations

import re
from typing import Final

OPENAI: Final = {
    "gpt-6.2-sol": "gpt-6.2-sol",
    "gpt-6.1-terra": "gpt-6.1-terra",
    "gpt-6-luna": "gpt-6-luna",
    "gpt-5.6-sol": "gpt-5.6-sol",
    "gpt-5.6-terra": "gpt-5.6-terra",
    "gpt-5.6-luna": "gpt-5.6-luna",
    "gpt-5.5": "gpt-5.5-2026-04-23",
    "gpt-5.4": "gpt-5.4-2026-03-05",
    "gpt-5.4-mini": "gpt-5.4-mini-2026-03-17",
    "gpt-5.4-nano": "gpt-5.4-nano-2026-03-17",
    "gpt-5.2": "gpt-5.2-2025-12-11",
    "gpt-5.2-pro": "gpt-5.2-pro-2025-12-11",
    "gpt-5.1-mini": "gpt-5.1-mini",
    "gpt-5.1-codex": "gpt-5.1-codex",
    "gpt-5.1": "gpt-5.1-2025-11-13",
    "gpt-5": "gpt-5-2025-08-07",
    "gpt-5-mini": "gpt-5-mini-2025-08-07",
    "gpt-5-nano": "gpt-5-nano-2025-08-07",
    "gpt-4.1": "gpt-4.1-2025-04-14",
    "gpt-4.1-mini": "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano": "gpt-4.1-nano-2025-04-14",
    "gpt-4o": "gpt-4o-2024-08-06",
    "gpt-4o-2024-11-20": "gpt-4o-2024-11-20",
    "gpt-4o-mini": "gpt-4o-mini-2024-07-18",
    "gpt-4-turbo": "gpt-4-turbo-2024-04-09",
    "gpt-4": "gpt-4-0613",
    "gpt-3.5-turbo": "gpt-3.5-turbo-0125",
    "o1": "o1-2024-12-17",
    "o3": "o3-2025-04-16",
    "o3-mini": "o3-mini-2025-01-31",
    "o4-mini": "o4-mini-2025-04-16",
}
OPENAI_EMBEDDINGS: Final = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}
OPENAI_REALTIME: Final = {
    "gpt-realtime": "gpt-realtime-2025-08-28",
    "gpt-realtime-2": "gpt-realtime-2",
    "gpt-realtime-mini": "gpt-realtime-mini-2025-12-15",
    "gpt-4o-realtime-preview": "gpt-4o-realtime-preview-2025-06-03",
}
ANTHROPIC: Final = {
    "claude-mythos-5": "claude-mythos-5",
    "claude-fable-5": "claude-fable-5",
    "claude-opus-5-5": "claude-opus-5-5",
    "claude-opus-5": "claude-opus-5",
    "claude-sonnet-5-5": "claude-sonnet-5-5",
    "claude-haiku-5-5": "claude-haiku-5-5",
    "claude-opus-4-8": "claude-opus-4-8",
    "claude-opus-4-7": "claude-opus-4-7",
    "claude-opus-4-6": "claude-opus-4-6",
    "claude-opus-4-5": "claude-opus-4-5-20251101",
    "claude-opus-4-1": "claude-opus-4-1-20250805",
    "claude-opus-4-0": "claude-opus-4-20250514",
    "claude-sonnet-5": "claude-sonnet-5",
    "claude-sonnet-4-6": "claude-sonnet-4-6",
    "claude-sonnet-4-5": "claude-sonnet-4-5-20250929",
    "claude-sonnet-4-0": "claude-sonnet-4-20250514",
    "claude-haiku-4-5": "claude-haiku-4-5-20251001",
    "claude-3-7-sonnet-latest": "claude-3-7-sonnet-20250219",
    "claude-3-5-haiku-latest": "claude-3-5-haiku-20241022",
}
GEMINI: Final = {
    "gemini-3.1-pro-preview": "gemini-3.1-pro-preview",
    "gemini-3-pro": "gemini-3-pro",
    "gemini-3-pro-preview": "gemini-3-pro-preview",
    "gemini-3-flash": "gemini-3-flash",
    "gemini-3-flash-preview": "gemini-3-flash-preview",
    "gemini-2.5-pro": "gemini-2.5-pro",
    "gemini-2.5-flash": "gemini-2.5-flash",
    "gemini-2.5-flash-lite": "gemini-2.5-flash-lite",
    "gemini-2.0-flash": "gemini-2.0-flash",
    "gemini-flash-latest": "gemini-2.5-flash",
}
GEMINI_LIVE: Final = {
    "gemini-live-2.5-flash-preview": "gemini-live-2.5-flash-preview",
    "gemini-3-flash-live-preview": "gemini-3-flash-live-preview",
}
GEMINI_EMBEDDINGS: Final = {"gemini-embedding-001": 3072, "text-embedding-004": 768}

COHERE: Final = frozenset(
    {
        "command-a-03-2025",
        "command-a-reasoning-08-2025",
        "command-a-vision-07-2025",
        "command-r-08-2024",
        "command-r-plus-08-2024",
        "command-r7b-12-2024",
    }
)
COHERE_EMBEDDINGS: Final = {
    "embed-v4.0": 1536,
    "embed-english-v3.0": 1024,
    "embed-multilingual-v3.0": 1024,
}
REASONING_COHERE: Final = frozenset({"command-a-reasoning-08-2025"})

OPEN_FAMILIES: Final = re.compile(
    r"(?:[\w.-]+/)?(?:llama|codellama|qwen|gpt-oss|mistral|mixtral|ministral|gemma|phi|deepseek|"
    r"granite|command-r|nomic-embed|mxbai-embed|all-minilm|tinyllama|smollm|sim)",
    re.IGNORECASE,
)
REASONING_OPENAI: Final = re.compile(r"(?:gpt-[56]|o[134](?:-|$))")
UNREASONING_OPENAI: Final = re.compile(r"gpt-(?:5\.|6)")
REASONING_OPEN: Final = re.compile(r"(?:[\w.-]+/)?(?:gpt-oss|qwen3|deepseek-r1)", re.IGNORECASE)
SIM_MODEL: Final = "sim"


def openai_served(model: str) -> str | None:
    """The dated name behind an OpenAI chat model; nothing when there is no such model."""
    return _served(model, OPENAI)


def openai_realtime_served(model: str) -> str | None:
    """The dated name behind an OpenAI realtime model; nothing when there is no such model."""
    return _served(model, OPENAI_REALTIME)


def gemini_live_served(model: str) -> str | None:
    """The version behind a Gemini live model; nothing when there is no such model."""
    return _served(model, GEMINI_LIVE)


def anthropic_served(model: str) -> str | None:
    """The dated name behind an Anthropic model; nothing when there is no such model."""
    return _served(model, ANTHROPIC)


def gemini_served(model: str) -> str | None:
    """The version behind a Gemini model; nothing when there is no such model."""
    return _served(model, GEMINI)


def cohere_served(model: str) -> bool:
    """Whether Cohere has a chat model of that name."""
    return model == SIM_MODEL or model in COHERE


def open_served(model: str) -> str | None:
    """An open-weights model as Ollama and vLLM name it; nothing outside the known families."""
    return model if OPEN_FAMILIES.match(model) else None


def any_served(model: str) -> str | None:
    """Whatever is asked for, as hosts of many vendors' models have it."""
    return model or None


def _served(model: str, known: dict[str, str]) -> str | None:
    if model == SIM_MODEL or model in known.values():
        return model
    return known.get(model)
