"""Where OpenAI's SDKs, and the many that speak like them, expect the API below a base URL."""

from typing import Final

VERSIONS: Final = ("/v1", "", "/openai/v1", "/openai", "/openai/deployments/{model}")
"""Prefixes of what names a model. The last is how `AzureOpenAI` names it; the two before are its newer
form, and that of servers that keep OpenAI's API beside others."""
PLAIN_VERSIONS: Final = VERSIONS[:-1]
"""Prefixes of what names none."""
