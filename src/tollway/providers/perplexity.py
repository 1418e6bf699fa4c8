"""Perplexity, by its Agent API. https://docs.perplexity.ai/docs/agent-api/openai-compatibility.

The Agent API is OpenAI's Responses ("POST /v1/responses is also accepted as an alias" of `/v1/agent`). The Sonar API,
which was Chat Completions, ended on 27 September 2026: its address now answers "Sonar is now the Agent API". So
callers of Chat Completions are translated, too. Its own models begin with its name: callers write
`perplexity/perplexity/sonar`.
"""

from typing import Final

from tollway.interfaces.provider import Counting, Provider
from tollway.signing.bearer import Bearer

PROVIDER: Final = Provider(
    name="perplexity",
    title="Perplexity",
    docs="https://docs.perplexity.ai/docs/agent-api/openai-compatibility",
    base_url="https://api.perplexity.ai/v1",
    conversation={"openai-responses": "/responses"},
    signer=Bearer(),
    environment_key="PERPLEXITY_API_KEY",
    unsupported=frozenset(
        {
            # Not among the fields of its reference's request.
            "include",
            "metadata",
            "parallel_tool_calls",
            "prompt_cache_key",
            "safety_identifier",
            "service_tier",
            "temperature",
            "text",
            "tool_choice",
            "top_logprobs",
            "top_p",
            "user",
        }
    ),
    media=frozenset({"image", "image-address"}),  # input parts: input_text and input_image
    output_forms=frozenset(),  # its schemas stand in a `response_format` of its own, not in `text.format`
    counting=Counting(cache_writes="inside", reasoning="not reported", web_searches=True),
    known_models=frozenset({"perplexity/sonar"}),
)
