import pytest

from tollway.core import genai_conventions as genai


def test_the_bounds_are_the_conventions_own():
    assert genai.TOKEN_BOUNDS[0] == 1
    assert genai.TOKEN_BOUNDS[-1] == 67_108_864
    assert genai.DURATION_BOUNDS[0] == 0.01
    assert genai.DURATION_BOUNDS[-1] == pytest.approx(81.92)


@pytest.mark.parametrize(
    ("operation", "dialect", "name"),
    [
        ("conversation", "openai-chat", "chat"),
        ("conversation", "anthropic-messages", "chat"),
        ("conversation", "gemini", "generate_content"),
        ("conversation", "", "chat"),
        ("embeddings", "openai-embeddings", "embeddings"),
        ("models", "", "models"),
    ],
)
def test_operations_have_the_conventions_names(operation: str, dialect: str, name: str):
    assert genai.operation_name(operation, dialect) == name
