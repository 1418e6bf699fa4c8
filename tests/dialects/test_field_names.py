import pytest

from tollway.core.conversation import Conversation, Opaque, Tool
from tollway.dialects.field_names import field_name, part_type, tool_type, unset


@pytest.mark.parametrize(
    ("dialect", "field", "expected"),
    [
        ("openai-chat", "count", "n"),
        ("openai-chat", "temperature", "temperature"),
        ("openai-responses", "output", "text.format"),
        ("anthropic-messages", "stop", "stop_sequences"),
        ("gemini", "count", "generationConfig.candidateCount"),
    ],
)
def test_a_field_has_the_name_its_caller_wrote(dialect: str, field: str, expected: str) -> None:
    assert field_name(dialect, field) == expected


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (
            Tool(name="web_search", builtin=Opaque("anthropic-messages", {"type": "web_search_20250305"})),
            "tools[web_search_20250305]",
        ),
        (Tool(name="googleSearch", builtin=Opaque("gemini", {"googleSearch": {}})), "tools[googleSearch]"),
        (Tool(name="plain"), "tools[plain]"),
    ],
)
def test_a_dropped_tool_is_named_by_its_type(tool: Tool, expected: str) -> None:
    assert tool_type(tool) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"type": "server_tool_use", "id": "1"}, "content[server_tool_use]"),
        ({"executableCode": {"code": "1"}}, "content[executableCode]"),
        ({}, "content[unknown]"),
    ],
)
def test_a_dropped_part_is_named_by_its_type_or_only_member(value: dict[str, object], expected: str) -> None:
    assert part_type(Opaque("gemini", value)) == expected


def test_a_field_is_unset_when_it_says_nothing() -> None:
    request = Conversation(dialect="gemini", model="m", messages=(), seed=0, stop=(), metadata={})
    assert [unset(request, name) for name in ("seed", "stop", "metadata", "top_k")] == [False, True, True, True]
