"""Amazon Bedrock. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html.

The base URL names the region: `https://bedrock-runtime.<region>.amazonaws.com`, or the address of a
VPC endpoint. Model names are Bedrock's own: of foundation models, of cross-region inference profiles
(`us.`, `eu.`, `apac.`, `global.`), or ARNs.

Models of Anthropic's are asked by InvokeModel in Anthropic's own Messages, which say more than
Converse; callers of Converse and InvokeModel get what they asked for.
"""

from typing import Final

from tollway.dialects.aws_envelope import AwsEnvelope
from tollway.interfaces.provider import Counting, Provider, Surface
from tollway.signing.sigv4 import SigV4

PROVIDER: Final = Provider(
    name="bedrock",
    title="Amazon Bedrock",
    docs="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html",
    base_url=None,
    conversation={
        "bedrock-converse": "/model/{model}/{action}",
        "bedrock-invoke": "/model/{model}/{action}",
    },
    surfaces=(
        Surface(
            models=r"(.*[./])?anthropic\.claude.*",
            not_for=frozenset({"bedrock-converse", "bedrock-invoke"}),
            conversation={"anthropic-messages": "/model/{model}/{invoke|invoke-with-response-stream}"},
            # "The anthropic_version must be `bedrock-2023-05-31`"; the path says the other two.
            body={"anthropic_version": "bedrock-2023-05-31"},
            omits=frozenset({"model", "stream"}),
            envelope=AwsEnvelope(),
            own_errors=True,
            # `max_tokens` is required, as at Anthropic.
            default_max_output_tokens=8192,
        ),
    ),
    signer=SigV4("bedrock"),
    # What InvokeModel takes beside its body; Converse has members for the same.
    forward_headers=frozenset(
        {
            "x-amzn-bedrock-guardrailidentifier",
            "x-amzn-bedrock-guardrailversion",
            "x-amzn-bedrock-performanceconfig-latency",
            "x-amzn-bedrock-service-tier",
            "x-amzn-bedrock-trace",
        }
    ),
    # Blocks hold bytes or lie in S3: an address on the web is nothing it fetches.
    media=frozenset({"image", "audio", "file"}),
    # Thinking is inside the output; only some models tell how much of it that is.
    counting=Counting(stream_usage="always", cached="beside", cache_writes="beside"),
    environment_key="AWS_BEARER_TOKEN_BEDROCK",
    sim_path="/bedrock",
    otel_name="aws.bedrock",
)
