"""Azure OpenAI. https://learn.microsoft.com/azure/ai-services/openai/reference.

The model of a route is the name of a deployment. The base URL is the resource's own, such as
`https://<resource>.openai.azure.com`, for the dated API, or with `/openai/v1` behind it for the newer
one, which takes no `api-version` and the model in the body.
"""

from typing import Final

from tollway.interfaces.provider import Limits, Provider, Surface
from tollway.signing.header_key import HeaderKey

PROVIDER: Final = Provider(
    name="azureopenai",
    title="Azure OpenAI",
    docs="https://learn.microsoft.com/azure/ai-services/openai/reference",
    base_url=None,
    conversation={
        "openai-chat": "/openai/deployments/{model}/chat/completions",
        # The dated path, not /openai/v1/responses: every call carries the same `api-version`, and
        # the v1 paths take no dated one.
        "openai-responses": "/openai/responses",
    },
    embeddings={"openai-embeddings": "/openai/deployments/{model}/embeddings"},
    surfaces=(
        # https://learn.microsoft.com/azure/ai-foundry/openai/latest: "api-version is no longer a required
        # parameter with the v1 GA API", and "model=… # Replace with your model deployment name".
        Surface(
            base_path="/openai/v1",
            conversation={"openai-chat": "/chat/completions", "openai-responses": "/responses"},
            embeddings={"openai-embeddings": "/embeddings"},
            realtime={"openai-realtime": "/realtime?model={model}"},
            operations={
                "openai-audio-speech": "/audio/speech",
                "openai-audio-transcriptions": "/audio/transcriptions",
                "openai-audio-translations": "/audio/translations",
                "openai-batches": "/batches",
                "openai-completions": "/completions",
                "openai-files": "/files",
                "openai-fine-tuning": "/fine_tuning/jobs",
                "openai-images-edits": "/images/edits",
                "openai-images-generations": "/images/generations",
                "openai-stored-responses": "/responses",
                "openai-vector-stores": "/vector_stores",
            },
            query={},
        ),
    ),
    # The v1 path speaks the protocol as it is now; the dated paths have the older preview of it.
    realtime={"openai-realtime": "/openai/v1/realtime?model={model}"},
    keeps=True,
    operations={
        "openai-audio-speech": "/openai/deployments/{model}/audio/speech",
        "openai-audio-transcriptions": "/openai/deployments/{model}/audio/transcriptions",
        "openai-audio-translations": "/openai/deployments/{model}/audio/translations",
        "openai-batches": "/openai/batches",
        "openai-completions": "/openai/deployments/{model}/completions",
        "openai-files": "/openai/files",
        "openai-fine-tuning": "/openai/fine_tuning/jobs",
        "openai-images-edits": "/openai/deployments/{model}/images/edits",
        "openai-images-generations": "/openai/deployments/{model}/images/generations",
        "openai-stored-responses": "/openai/responses",
        "openai-vector-stores": "/openai/vector_stores",
    },
    # An identity's token is sent as Bearer.
    signer=HeaderKey("api-key"),
    token_scopes={"entra": "https://cognitiveservices.azure.com/.default"},
    # The newest dated version; chat, embeddings and responses all have it. A route may set another.
    query={"api-version": "2025-04-01-preview"},
    environment_key="AZURE_OPENAI_API_KEY",
    sim_path="/azureopenai",
    keeps_turns=True,
    unsupported=frozenset(
        {
            "extra_content",  # Google's addition to messages; this service refuses unknown members
            "top_k",  # "Unrecognized request argument supplied: top_k"
            "safety_identifier",  # not in the dated API's reference, which refuses unknown fields
        }
    ),
    max_tokens_field="max_completion_tokens",
    limits=Limits(
        stop_sequences=4,  # "Up to 4 sequences"
        tools=128,  # "A max of 128 functions are supported."
    ),
    otel_name="azure.ai.openai",
)
