from tests.support.provider_checks import OpenAIFamilyChecks

from tollway.providers.azureopenai import PROVIDER


class TestAzureOpenAI(OpenAIFamilyChecks):
    provider = PROVIDER


def test_a_deployment_is_named_in_the_path_and_every_call_names_a_version() -> None:
    assert PROVIDER.base_url is None
    assert PROVIDER.conversation["openai-chat"] == "/openai/deployments/{model}/chat/completions"
    assert PROVIDER.embeddings["openai-embeddings"] == "/openai/deployments/{model}/embeddings"
    assert set(PROVIDER.query) == {"api-version"}


def test_the_key_goes_into_its_own_header() -> None:
    assert PROVIDER.signer.headers("k", None) == (("api-key", "k"),)


def test_behind_the_newer_base_url_the_model_is_in_the_body_and_no_version_is_named() -> None:
    newer = PROVIDER.serving("gpt", "/openai/v1")
    assert newer.conversation == {"openai-chat": "/chat/completions", "openai-responses": "/responses"}
    assert newer.embeddings == {"openai-embeddings": "/embeddings"}
    assert newer.query == {}
    assert newer.operations.keys() == PROVIDER.operations.keys()
    assert not any("{model}" in path or path.startswith("/openai") for path in newer.operations.values())
    assert (newer.unsupported, newer.signer) == (PROVIDER.unsupported, PROVIDER.signer)
    assert PROVIDER.serving("gpt", "") is PROVIDER


def test_it_takes_an_entra_identity() -> None:
    assert PROVIDER.token_scopes == {"entra": "https://cognitiveservices.azure.com/.default"}
