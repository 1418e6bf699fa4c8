"""Anthropic's models on Amazon Bedrock, under the name that callers of other gateways write.

`bedrockanthropic/us.anthropic.claude-sonnet-4-5-20250929-v1:0`. As provider `bedrock`, but for any
model name, so that ARNs of application inference profiles, which do not tell the family, are asked
in Anthropic's own Messages too. https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-claude.html.
"""

from typing import Final

from tollway.dialects.aws_envelope import AwsEnvelope
from tollway.interfaces.provider import Counting, Provider, Surface
from tollway.signing.sigv4 import SigV4

PROVIDER: Final = Provider(
    name="bedrockanthropic",
    title="Anthropic on Amazon Bedrock",
    docs="https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-claude.html",
    base_url=None,
    conversation={
        "bedrock-converse": "/model/{model}/{action}",
        "bedrock-invoke": "/model/{model}/{action}",
    },
    surfaces=(
        Surface(
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
