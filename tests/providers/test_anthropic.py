from tollway.dialects.registry import conversation_dialect
from tollway.providers.anthropic import PROVIDER


def test_it_speaks_messages_at_its_own_address() -> None:
    assert PROVIDER.base_url == "https://api.anthropic.com/v1"
    assert PROVIDER.conversation == {"anthropic-messages": "/messages"}
    assert conversation_dialect("anthropic-messages").name in PROVIDER.conversation


def test_the_key_goes_into_its_own_header() -> None:
    assert PROVIDER.signer.headers("sk-ant-1", None) == (("x-api-key", "sk-ant-1"),)


def test_every_call_names_the_version_and_passes_the_callers_betas() -> None:
    assert PROVIDER.headers == {"anthropic-version": "2023-06-01"}
    assert "anthropic-beta" in PROVIDER.forward_headers


def test_a_limit_is_known_for_callers_who_give_none() -> None:
    assert PROVIDER.default_max_output_tokens is not None


def test_its_models_are_claudes() -> None:
    assert all(model.startswith("claude-") for model in PROVIDER.known_models)
    assert "claude-sonnet-4-5" in PROVIDER.known_models
