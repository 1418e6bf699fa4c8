"""The clients of the proof as a table: what is installed, which script drives it, and what it can do.

A row says everything about one client; the scripts hold no version and no expectation.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

Language = Literal["python", "node"]

ALL = ("chat", "stream", "tools", "structured", "embed", "error", "cancel", "unauthorized")
NO_EMBEDDINGS = tuple(check for check in ALL if check != "embed")
_TALK = tuple(check for check in NO_EMBEDDINGS if check != "structured")
TRANSLATED = {"openai": "anthropic", "anthropic": "openai", "gemini": "openai"}
"""Provider whose API a client speaks → the provider that it is also run against, so that everything is translated."""
MODELS = {
    "openai": ("openai/gpt-4o-mini", "openai/text-embedding-3-small"),
    "anthropic": ("anthropic/claude-haiku-4-5", "openai/text-embedding-3-small"),
    "gemini": ("gemini/gemini-2.5-flash", "gemini/gemini-embedding-001"),
}


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One client in one version."""

    name: str
    packages: tuple[str, ...]
    script: str
    speaks: str = "chat"
    """Which of the APIs a script knows it shall use."""
    dialect: str = ""
    """Its API, as the ledger names it, where not every gateway has it: skipped by those without."""
    native: str = "openai"
    """Provider whose API the client speaks."""
    language: Language = "python"
    prefix: str = ""
    """What the client puts before `/v1`: part of its proxy's base path."""
    checks: Sequence[str] = ALL
    error: str = "NotFoundError"
    """Class raised for a model that the provider does not have."""
    refused: str = "AuthenticationError"
    """Class raised for a wrong key."""
    refused_status: int = 401
    """What its vendor answers to a wrong key."""

    @property
    def providers(self) -> tuple[str, str]:
        """The provider whose API it speaks, and one with another API."""
        return self.native, TRANSLATED[self.native]


_LANGCHAIN = ("langchain-openai==1.7.4", "langchain-anthropic==1.7.10", "langchain-google-genai==4.4.3")
_PYDANTIC_AI = ("pydantic-ai-slim[openai,anthropic,google]==2.68.0",)
_NODE_SDKS = ("openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "@google/genai@2.32.0")
_VERCEL = (
    "ai@6.0.326",
    "@ai-sdk/openai@3.0.141",
    "@ai-sdk/anthropic@3.0.140",
    "@ai-sdk/google@3.0.141",
    "@ai-sdk/openai-compatible@2.0.92",
    "zod@4.6.7",
)
_GOOGLE = {"native": "gemini", "error": "ClientError", "refused": "ClientError"}
_ANTHROPIC = {"native": "anthropic", "checks": NO_EMBEDDINGS}

CLIENTS: tuple[Client, ...] = (
    *(
        client
        for version in ("2.54.0", "3.54.0")
        for client in (
            Client(name=f"openai-{version}", packages=(f"openai=={version}",), script="openai_sdk.py"),
            Client(
                name=f"openai-{version}-responses",
                packages=(f"openai=={version}",),
                script="openai_sdk.py",
                speaks="responses",
                checks=("chat", "stream", "tools", "structured", "error", "cancel"),
            ),
        )
    ),
    Client(name="anthropic", packages=("anthropic==2.14.0",), script="anthropic_sdk.py", **_ANTHROPIC),
    Client(name="google-genai-2", packages=("google-genai==2.34.0",), script="google_sdk.py", **_GOOGLE),
    Client(name="google-genai-3", packages=("google-genai==3.4.0",), script="google_sdk.py", **_GOOGLE),
    Client(
        name="mistralai",
        packages=("mistralai==3.7.0",),
        script="mistral_sdk.py",
        checks=NO_EMBEDDINGS,  # its own embeddings have an id, which OpenAI's have not
        error="SDKError",
        refused="SDKError",
    ),
    Client(
        name="groq",
        packages=("groq==1.7.0",),
        script="groq_sdk.py",
        prefix="/openai",
        checks=_TALK,
    ),
    Client(name="langchain-openai", packages=_LANGCHAIN, script="langchain_models.py"),
    Client(
        name="langchain-openai-responses",
        packages=_LANGCHAIN,
        script="langchain_models.py",
        speaks="responses",
        checks=NO_EMBEDDINGS,
    ),
    Client(
        name="langchain-anthropic",
        packages=_LANGCHAIN,
        script="langchain_models.py",
        speaks="anthropic",
        **_ANTHROPIC,
    ),
    Client(
        name="langchain-google-genai",
        packages=_LANGCHAIN,
        script="langchain_models.py",
        speaks="google",
        native="gemini",
        checks=NO_EMBEDDINGS,
        error="ClientError",
        refused="ClientError",
    ),
    Client(
        name="llama-index",
        packages=("llama-index-llms-openai==0.8.3", "llama-index-embeddings-openai==0.7.0"),
        script="llama_index_llm.py",
    ),
    *(
        Client(
            name=f"pydantic-ai-{speaks}",
            packages=_PYDANTIC_AI,
            script="pydantic_ai_agent.py",
            speaks=speaks,
            native=native,
            checks=NO_EMBEDDINGS,
            error="ModelHTTPError",
            refused="ModelHTTPError",
        )
        for speaks, native in (
            ("chat", "openai"),
            ("responses", "openai"),
            ("anthropic", "anthropic"),
            ("google", "gemini"),
        )
    ),
    *(
        Client(
            name=f"openai-agents-{speaks}",
            packages=("openai-agents==0.24.0", "instructor==1.17.0"),
            script="openai_agents.py",
            speaks=speaks,
            checks=("chat", "stream", "tools", "structured", "error", "unauthorized"),
        )
        for speaks in ("responses", "chat")
    ),
    Client(
        name="instructor",
        packages=("openai-agents==0.24.0", "instructor==1.17.0"),
        script="instructor_patch.py",
        checks=("structured", "schema", "error", "unauthorized"),
    ),
    Client(
        name="cohere",
        packages=("cohere==7.3.1",),
        script="cohere_sdk.py",
        dialect="cohere-chat",
        checks=_TALK,
        refused="UnauthorizedError",
    ),
    Client(
        name="ollama",
        packages=("ollama==0.6.3",),
        script="ollama_sdk.py",
        dialect="ollama-chat",
        checks=NO_EMBEDDINGS,
        error="ResponseError",
        refused="ResponseError",
    ),
    Client(
        name="boto3",
        packages=("boto3==1.44.8",),
        script="bedrock_boto3.py",
        dialect="bedrock-converse",
        checks=_TALK,
        error="ResourceNotFoundException",
        refused="ClientError",
        refused_status=403,
    ),
    Client(name="node-openai", packages=_NODE_SDKS, script="openai_sdk.mjs", language="node"),
    Client(
        name="node-openai-responses",
        packages=_NODE_SDKS,
        script="openai_sdk.mjs",
        language="node",
        speaks="responses",
        checks=("chat", "stream", "tools", "structured", "error", "cancel"),
    ),
    Client(name="node-anthropic", packages=_NODE_SDKS, script="anthropic_sdk.mjs", language="node", **_ANTHROPIC),
    Client(
        name="node-google-genai",
        packages=_NODE_SDKS,
        script="google_sdk.mjs",
        language="node",
        native="gemini",
        error="ApiError",
        refused="ApiError",
    ),
    Client(
        name="node-langchain-openai",
        packages=("@langchain/core@1.4.0", "@langchain/openai@1.5.8", "zod@4.6.7"),
        script="langchain_models.mjs",
        language="node",
    ),
    *(
        Client(
            name=f"vercel-ai-{speaks}",
            packages=_VERCEL,
            script="vercel_ai.mjs",
            language="node",
            speaks=speaks,
            native=native,
            checks=NO_EMBEDDINGS if speaks == "anthropic" else ALL,
            error="AI_APICallError",
            refused="AI_APICallError",
        )
        for speaks, native in (
            ("responses", "openai"),
            ("chat", "openai"),
            ("compatible", "openai"),
            ("anthropic", "anthropic"),
            ("google", "gemini"),
        )
    ),
)
