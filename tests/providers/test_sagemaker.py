from tests.support.provider_checks import OpenAIFamilyChecks, sent

from tollway.providers.sagemaker import PROVIDER
from tollway.signing.sigv4 import SigV4


class TestSageMaker(OpenAIFamilyChecks):
    provider = PROVIDER


def test_an_endpoint_is_named_in_the_path_and_not_in_the_body() -> None:
    assert PROVIDER.conversation == {"openai-chat": "/endpoints/{model}/{invocations|invocations-response-stream}"}
    assert PROVIDER.omits == {"model"}
    assert PROVIDER.base_url is None


def test_requests_are_signed_for_the_service() -> None:
    assert PROVIDER.signer == SigV4("sagemaker")


def test_the_limit_has_the_name_every_container_knows() -> None:
    assert "max_tokens" in sent(PROVIDER, "openai_chat/full")[0]
