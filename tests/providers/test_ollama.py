import msgspec
from tests.support.provider_checks import sent

from tollway.core.conversation import Losses
from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.providers.ollama import PROVIDER


def test_it_needs_no_key_and_stands_on_the_same_machine() -> None:
    assert PROVIDER.key_optional
    assert PROVIDER.base_url == "http://localhost:11434"


def test_every_dialect_it_speaks_exists() -> None:
    assert [conversation_dialect(name).name for name in PROVIDER.conversation] == list(PROVIDER.conversation)
    assert [embeddings_dialect(name).name for name in PROVIDER.embeddings] == list(PROVIDER.embeddings)


def test_its_own_api_is_preferred_and_callers_of_chat_completions_pass_unread() -> None:
    assert next(iter(PROVIDER.conversation)) == "ollama-chat"
    assert PROVIDER.conversation["openai-chat"] == "/v1/chat/completions"
    assert next(iter(PROVIDER.embeddings)) == "ollama-embeddings"


def test_the_base_url_of_its_openai_compatible_api_may_be_written_too() -> None:
    assert PROVIDER.base_path_tail == "/v1"


def test_callers_of_responses_are_translated() -> None:
    assert "openai-responses" not in PROVIDER.conversation


def test_an_agents_custom_tool_becomes_a_function() -> None:
    body, lost = sent(PROVIDER, "openai_responses/coding_agent", "ollama-chat")
    assert [tool["function"]["name"] for tool in body["tools"]] == ["shell", "apply_patch"]
    assert list(body["messages"][3]["tool_calls"][0]["function"]["arguments"]) == ["input"]
    assert "tool_choice" not in lost


def test_tools_that_must_not_be_called_are_not_shown() -> None:
    assert "tools" not in sent(PROVIDER, "openai_chat/no_tools_wanted", "ollama-chat")[0]


def test_thinking_that_another_apis_caller_asks_for_is_asked_for() -> None:
    asked = b'{"model":"m","max_tokens":2000,"messages":[{"role":"user","content":"hi"}],"thinking":%b}'
    messages = conversation_dialect("anthropic-messages")
    for thinking, think in ((b'{"type":"enabled","budget_tokens":1500}', "low"), (b'{"type":"disabled"}', False)):
        request = messages.parse_request(asked % thinking, path_model="", stream=False)
        body = conversation_dialect("ollama-chat").render_request(request, PROVIDER, Losses())
        assert msgspec.json.decode(body)["think"] == think
