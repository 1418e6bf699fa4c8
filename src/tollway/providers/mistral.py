"""Mistral AI. https://docs.mistral.ai/api.

It refuses what it does not know with status 422 and "Extra inputs are not permitted". It has no Responses API:
its own Conversations API is another one.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="mistral",
    title="Mistral AI",
    docs="https://docs.mistral.ai/api",
    base_url="https://api.mistral.ai/v1",
    conversation={"openai-chat": "/chat/completions"},
    embeddings={"openai-embeddings": "/embeddings"},
    signer=Bearer(),
    environment_key="MISTRAL_API_KEY",
    sim_path="/compatible/v1",
    # Not among the fields of its reference's ChatCompletionRequest, which forbids others.
    unsupported=frozenset(
        {
            "allowed_tools",  # its tool choice is a word or one function
            "custom_tools",  # its tools are functions
            "developer",  # its roles are system, user, assistant and tool
            "extra_content",
            "logit_bias",
            "modalities",
            "refusal",
            "safety_identifier",
            "store",
            "stream_options",  # streams tell their usage unasked
            "user",
            "verbosity",
        }
    ),
    max_tokens_field="max_tokens",
    renamed={"seed": "random_seed", "dimensions": "output_dimension"},
    # Its content parts: `document_url`, and `input_audio` whose value is the base64 text.
    file_part="document_url",
    bare_audio=True,
    # "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9."
    tool_call_id_length=9,
    counting=Counting(stream_usage="always", reasoning="not reported"),
    known_models=frozenset(
        {
            "codestral-2508",
            "codestral-embed",
            "codestral-latest",
            "devstral-latest",
            "devstral-medium-latest",
            "devstral-small-latest",
            "magistral-medium-latest",
            "magistral-small-latest",
            "ministral-14b-latest",
            "ministral-3b-latest",
            "ministral-8b-latest",
            "mistral-embed",
            "mistral-large-2512",
            "mistral-large-4",
            "mistral-large-latest",
            "mistral-medium-2604",
            "mistral-medium-3-5",
            "mistral-medium-latest",
            "mistral-small-2603",
            "mistral-small-latest",
            "open-mistral-nemo",
            "pixtral-large-latest",
            "voxtral-small-latest",
        }
    ),
    otel_name="mistral_ai",
)
