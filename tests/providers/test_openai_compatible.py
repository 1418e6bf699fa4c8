from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.openai_compatible import PROVIDER


class TestOpenAICompatible(OpenAIFamilyChecks):
    provider = PROVIDER


def test_its_address_is_the_operators_and_a_key_is_optional() -> None:
    assert PROVIDER.base_url is None
    assert PROVIDER.key_optional


def test_the_limit_has_the_name_every_server_knows() -> None:
    assert "max_tokens" in sent(PROVIDER, "openai_chat/full")[0]


def test_geminis_signatures_reach_googles_own_server_of_this_kind() -> None:
    body, _ = sent(PROVIDER, "openai_responses/foreign_proofs")
    assert body["messages"][1]["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "Z29vZ2xl"}}
