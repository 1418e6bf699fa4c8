from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.nvidia import PROVIDER


class TestNvidia(OpenAIFamilyChecks):
    provider = PROVIDER


def test_the_key_is_a_bearer_token() -> None:
    assert PROVIDER.signer.headers("nvapi-1", None) == (("authorization", "Bearer nvapi-1"),)


def test_who_asks_is_not_told_to_engines_that_refuse_it() -> None:
    body, lost = sent(PROVIDER, "anthropic_messages/words_only")
    assert "user" not in body
    assert "metadata.user_id" in lost
