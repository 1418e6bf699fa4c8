from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.ollama import PROVIDER


class TestOllama(OpenAIFamilyChecks):
    provider = PROVIDER


def test_it_needs_no_key_and_stands_on_the_same_machine() -> None:
    assert PROVIDER.key_optional
    assert PROVIDER.base_url == "http://localhost:11434/v1"


def test_callers_of_responses_are_translated() -> None:
    assert "openai-responses" not in PROVIDER.conversation


def test_an_agents_custom_tool_becomes_a_function() -> None:
    body, lost = sent(PROVIDER, "openai_responses/coding_agent")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["shell", "apply_patch"]
    assert body["messages"][3]["tool_calls"][0]["function"]["arguments"].startswith('{"input":')
    assert "tool_choice" not in lost


def test_tools_that_must_not_be_called_are_not_shown() -> None:
    assert "tools" not in sent(PROVIDER, "openai_chat/no_tools_wanted")[0]
