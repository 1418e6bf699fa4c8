"""Azure AI Foundry's models of any maker. https://learn.microsoft.com/azure/ai-foundry/model-inference/reference.

The base URL is the resource's own with `/models` behind it, `https://<resource>.services.ai.azure.com/models`;
the model of a route is the name of a deployment. With `/anthropic/v1` behind it, it is the resource's
Messages API. Models behind `/openai/v1` are asked as those of `azureopenai`.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider, Surface
from tollway.signing.header_key import HeaderKey

PROVIDER: Final = Provider(
    name="azureai",
    title="Azure AI Foundry",
    docs="https://learn.microsoft.com/rest/api/aifoundry/modelinference/",
    base_url=None,
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    surfaces=(
        # Anthropic's own SDK for the platform asks here, with the headers of Anthropic's API.
        Surface(
            base_path="/anthropic/v1",
            conversation={"anthropic-messages": "/messages"},
            signer=HeaderKey("x-api-key"),
            headers={"anthropic-version": "2023-06-01"},
            forward_headers=frozenset({"anthropic-beta", "anthropic-version"}),
            query={},
            media=frozenset({"image", "image-address", "file"}),
            output_forms=frozenset({"schema"}),
            # "input_tokens" are those that were neither read from the cache nor written to it.
            counting=Counting(stream_usage="always", cached="beside", cache_writes="beside", web_searches=True),
            default_max_output_tokens=8192,
        ),
    ),
    # An identity's token is sent as Bearer.
    signer=HeaderKey("api-key"),
    token_scopes={"entra": "https://cognitiveservices.azure.com/.default"},
    # What the service does not know it hands to the model ("pass-through"), in place of refusing it.
    headers={"extra-parameters": "pass-through"},
    # The version that azure-ai-inference asks for. A route may set another.
    query={"api-version": "2024-05-01-preview"},
    # OpenAI's own additions, which models of other makers refuse or ignore.
    unsupported=frozenset(
        {
            "allowed_tools",
            "custom_tools",
            "developer",
            "extra_content",
            "logit_bias",
            "metadata",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "store",
            "top_k",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    otel_name="azure.ai.inference",
)
