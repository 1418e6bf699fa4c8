from tests.support.provider_checks import OpenAIFamilyChecks

from tollway.dialects.registry import conversation_dialect
from tollway.providers.azureai import PROVIDER


class TestAzureAI(OpenAIFamilyChecks):
    provider = PROVIDER


def test_the_model_is_in_the_body_and_every_call_names_a_version() -> None:
    assert PROVIDER.base_url is None
    assert "{model}" not in PROVIDER.conversation["openai-chat"]
    assert set(PROVIDER.query) == {"api-version"}
    assert PROVIDER.headers == {"extra-parameters": "pass-through"}


def test_behind_another_base_url_it_is_the_messages_api() -> None:
    there = PROVIDER.serving("claude-9", "/anthropic/v1")
    assert there.conversation == {"anthropic-messages": "/messages"}
    assert conversation_dialect("anthropic-messages").name in there.conversation
    assert there.signer.headers("k", None) == (("x-api-key", "k"),)
    assert (there.query, there.headers) == ({}, {"anthropic-version": "2023-06-01"})
    assert PROVIDER.serving("claude-9", "/models") is PROVIDER


def test_it_takes_an_entra_identity() -> None:
    assert PROVIDER.token_scopes == {"entra": "https://cognitiveservices.azure.com/.default"}
