import msgspec
import pytest
from tests.support.provider_checks import sent

from tollway.core.conversation import Conversation, Losses, Message, Text, Tool, ToolChoice
from tollway.core.errors import BadRequest
from tollway.dialects.registry import conversation_dialect
from tollway.providers.perplexity import PROVIDER


def test_it_speaks_responses_at_its_own_address() -> None:
    assert PROVIDER.base_url == "https://api.perplexity.ai/v1"
    assert PROVIDER.conversation == {"openai-responses": "/responses"}
    assert conversation_dialect("openai-responses").name in PROVIDER.conversation


def test_the_key_is_a_bearer_token() -> None:
    assert PROVIDER.signer.headers("pplx-1", None) == (("authorization", "Bearer pplx-1"),)


@pytest.mark.parametrize("case", ["anthropic_messages/words_only", "gemini/words_only", "openai_chat/plain"])
def test_no_caller_reaches_it_with_a_field_it_refuses(case: str) -> None:
    body, _ = sent(PROVIDER, case, target="openai-responses")
    assert not body.keys() & PROVIDER.unsupported


def test_a_demand_for_a_schema_is_refused() -> None:
    with pytest.raises(BadRequest, match="JSON Schema"):
        sent(PROVIDER, "openai_chat/structured", target="openai-responses")


def test_tools_that_must_not_be_called_are_not_shown() -> None:
    request = Conversation(
        dialect="openai-chat",
        model="perplexity/sonar",
        messages=(Message("user", (Text("hi"),)),),
        tools=(Tool(name="f"),),
        tool_choice=ToolChoice("none"),
    )
    losses = Losses()
    sent_body = conversation_dialect("openai-responses").render_request(request, PROVIDER, losses)
    assert "tools" not in msgspec.json.decode(sent_body)
    assert losses.fields == []
