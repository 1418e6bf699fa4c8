"""Amazon SageMaker endpoints whose containers speak Chat Completions, as those of vLLM, TGI and DJL do.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html.

The base URL names the region: `https://runtime.sagemaker.<region>.amazonaws.com`. The model of a
route is the name of an endpoint.
"""

from typing import Final

from tollway.dialects.aws_envelope import AwsEnvelope
from tollway.interfaces.provider import Provider
from tollway.signing.sigv4 import SigV4

PROVIDER: Final = Provider(
    name="sagemaker",
    title="Amazon SageMaker",
    docs="https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Operations_Amazon_SageMaker_Runtime.html",
    base_url=None,
    conversation={"openai-chat": "/endpoints/{model}/{invocations|invocations-response-stream}"},
    # A container serves one model, under a name of its own that an endpoint's name need not be.
    omits=frozenset({"model"}),
    # The container's events come in frames, cut anywhere.
    envelope=AwsEnvelope(),
    own_errors=True,
    signer=SigV4("sagemaker"),
    # Which of an endpoint's models or variants to ask.
    forward_headers=frozenset(
        {
            "x-amzn-sagemaker-inference-component",
            "x-amzn-sagemaker-target-model",
            "x-amzn-sagemaker-target-variant",
        }
    ),
    unsupported=frozenset(
        {
            "developer",  # chat templates know no such role
            "custom_tools",  # these servers know functions only
            "allowed_tools",  # as above: the tools are narrowed instead
            "extra_content",  # Google's addition to messages
            "safety_identifier",  # OpenAI's own
        }
    ),
    media=frozenset({"image", "image-address", "audio"}),  # as vLLM's content parts, which others have fewer of
    max_tokens_field="max_tokens",
    otel_name="aws.sagemaker",
)
