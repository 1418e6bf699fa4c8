"""The coding command lines of the proof: how each is installed, pointed at a gateway and asked one question.

None logs in: each is given an address and a key in the way its documentation describes for gateways.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from tests.clients import environments
from tests.support.running import environment


class Call(msgspec.Struct, frozen=True):
    """One run: where, with whose models, and what is asked."""

    url: str
    key: str
    model: str
    question: str
    home: Path
    """An empty folder that is the user's home."""


class CommandLine(msgspec.Struct, frozen=True, kw_only=True):
    """One program in one version."""

    name: str
    packages: tuple[str, ...]
    dialect: str
    """The API it calls, as the ledger names it."""
    native: str
    arguments: Callable[[Call], list[str]]
    """Writes the settings it needs into the home, and gives its command line."""
    environ: Callable[[Call], Mapping[str, str]]
    language: str = "node"

    def command(self, call: Call) -> list[str]:
        """Install it when that has not been done, and give the whole command."""
        if self.language == "python":
            program = environments.python(*self.packages).parent / self.name
        else:
            program = environments.node(*self.packages) / "node_modules" / ".bin" / self.name
        return [str(program), *self.arguments(call)]

    def environment(self, call: Call) -> dict[str, str]:
        """Give its environment: nothing of this machine's user but the search path."""
        folders = {"HOME": call.home, "XDG_CONFIG_HOME": call.home / "config", "XDG_DATA_HOME": call.home / "data"}
        folders |= {"XDG_CACHE_HOME": call.home / "cache", "XDG_STATE_HOME": call.home / "state"}
        clean = {name: value for name, value in environment().items() if name in {"PATH", "LANG", "TERM"}}
        return {**clean, **{name: str(folder) for name, folder in folders.items()}, **self.environ(call)}


def _codex(call: Call) -> list[str]:
    settings = {
        "model_provider": '"tollway"',
        "model_providers.tollway.name": '"Tollway"',
        "model_providers.tollway.base_url": f'"{call.url}/v1"',
        "model_providers.tollway.env_key": '"TOLLWAY_KEY"',
        "model_providers.tollway.wire_api": '"responses"',
        "model_providers.tollway.request_max_retries": "0",
        "model_providers.tollway.stream_max_retries": "0",
    }
    said = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    return ["exec", "--skip-git-repo-check", *said, "--model", call.model, call.question]


def _claude(call: Call) -> list[str]:
    return ["--print", call.question, "--model", call.model, "--output-format", "json"]


def _claude_environment(call: Call) -> Mapping[str, str]:
    return {
        "ANTHROPIC_BASE_URL": call.url,
        "ANTHROPIC_API_KEY": call.key,
        "ANTHROPIC_SMALL_FAST_MODEL": call.model,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _gemini(call: Call) -> list[str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False},
    }
    _write(call.home / ".gemini" / "settings.json", settings)
    return ["--model", call.model, "--prompt", call.question, "--output-format", "json"]


def _gemini_environment(call: Call) -> Mapping[str, str]:
    return {
        "GOOGLE_GEMINI_BASE_URL": call.url,
        "GEMINI_API_KEY": call.key,
        "GEMINI_CLI_TRUST_WORKSPACE": "true",
    }


def _opencode(call: Call) -> list[str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Tollway",
        "options": {"baseURL": f"{call.url}/v1", "apiKey": call.key},
        "models": {call.model: {"name": call.model}},
    }
    settings = {"autoupdate": False, "share": "disabled", "provider": {"tollway": provider}}
    _write(call.home / "config" / "opencode" / "opencode.json", settings)
    return ["run", "--model", f"tollway/{call.model}", call.question]


def _aider(call: Call) -> list[str]:
    quiet = ["--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-show-release-notes"]
    quiet += ["--analytics-disable", "--no-detect-urls", "--no-pretty"]
    where = ["--openai-api-base", f"{call.url}/v1", "--openai-api-key", call.key]
    return [*quiet, *where, "--model", f"openai/{call.model}", "--message", call.question]


def _write(file: Path, settings: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.encode(settings))


COMMAND_LINES: tuple[CommandLine, ...] = (
    CommandLine(
        name="codex",
        packages=("@openai/codex@0.169.0",),
        dialect="openai-responses",
        native="openai",
        arguments=_codex,
        environ=lambda call: {"TOLLWAY_KEY": call.key},
    ),
    CommandLine(
        name="claude",
        packages=("@anthropic-ai/claude-code@2.1.197",),
        dialect="anthropic-messages",
        native="anthropic",
        arguments=_claude,
        environ=_claude_environment,
    ),
    CommandLine(
        name="gemini",
        packages=("@google/gemini-cli@0.61.0",),
        dialect="gemini",
        native="gemini",
        arguments=_gemini,
        environ=_gemini_environment,
    ),
    CommandLine(
        name="opencode",
        packages=("opencode-ai@1.18.33",),
        dialect="openai-chat",
        native="openai",
        arguments=_opencode,
        environ=lambda _: {"OPENCODE_DISABLE_AUTOUPDATE": "1", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
    ),
    CommandLine(
        name="aider",
        packages=("aider-chat==0.86.2",),
        language="python",
        dialect="openai-chat",
        native="openai",
        arguments=_aider,
        environ=lambda _: {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    ),
)
