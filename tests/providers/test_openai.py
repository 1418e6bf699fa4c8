from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.openai import PROVIDER


class TestOpenAI(OpenAIFamilyChecks):
    provider = PROVIDER


def test_both_of_its_apis_are_spoken_natively() -> None:
    assert PROVIDER.base_url == "https://api.openai.com/v1"
    assert PROVIDER.conversation == {"openai-chat": "/chat/completions", "openai-responses": "/responses"}
    assert PROVIDER.embeddings == {"openai-embeddings": "/embeddings"}


def test_the_key_is_a_bearer_token() -> None:
    assert PROVIDER.signer.headers("sk-1", None) == (("authorization", "Bearer sk-1"),)


def test_the_limit_has_the_newer_name_which_reasoning_models_demand() -> None:
    assert sent(PROVIDER, "anthropic_messages/plain")[0]["max_completion_tokens"] > 0


def test_its_own_agents_tools_stay_custom() -> None:
    body, lost = sent(PROVIDER, "openai_responses/coding_agent")
    assert [tool["type"] for tool in body["tools"]] == ["function", "custom"]
    assert "tools[namespace]" in lost


def test_callers_accounts_are_not_forwarded() -> None:
    assert not {"openai-organization", "openai-project"} & PROVIDER.forward_headers
