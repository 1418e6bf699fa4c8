import pytest

from tollway.dialects.aws_envelope import AwsEnvelope
from tollway.providers.bedrock import PROVIDER
from tollway.signing.sigv4 import SigV4


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-3-haiku-20240307-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "global.anthropic.claude-opus-4-6-v1:0",
        "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2:1",
    ],
)
def test_models_of_anthropics_are_asked_in_anthropics_own_api(model: str) -> None:
    served = PROVIDER.serving(model, caller="openai-chat")
    assert served.conversation == {"anthropic-messages": "/model/{model}/{invoke|invoke-with-response-stream}"}
    assert served.body == {"anthropic_version": "bedrock-2023-05-31"}
    assert served.omits == {"model", "stream"}
    assert (served.envelope, served.own_errors) == (AwsEnvelope(), True)
    assert served.default_max_output_tokens is not None


@pytest.mark.parametrize("caller", ["bedrock-converse", "bedrock-invoke"])
def test_callers_of_bedrocks_own_apis_get_what_they_asked_for(caller: str) -> None:
    served = PROVIDER.serving("anthropic.claude-3-haiku-20240307-v1:0", caller=caller)
    assert served.conversation[caller] == "/model/{model}/{action}"
    assert (served.body, served.envelope) == ({}, None)


@pytest.mark.parametrize("model", ["us.amazon.nova-pro-v1:0", "meta.llama3-2-1b-instruct-v1:0", "my-claude-profile"])
def test_other_models_are_asked_by_converse(model: str) -> None:
    assert next(iter(PROVIDER.serving(model, caller="openai-chat").conversation)) == "bedrock-converse"


def test_requests_are_signed_for_the_service_at_the_customers_own_region() -> None:
    assert PROVIDER.base_url is None
    assert PROVIDER.signer == SigV4("bedrock")
    assert not PROVIDER.key_optional
