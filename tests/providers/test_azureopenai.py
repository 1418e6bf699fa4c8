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
