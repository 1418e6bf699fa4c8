"""Corpus by provider dialect: what each provider must get for each request, and what is lost on the way.

`tests/corpus/<dialect>/<case>.json` is one caller's request; `tests/golden/dialects/<dialect>/<case>.<target>.json`
what a provider of each dialect gets. `TOLLWAY_UPDATE_GOLDENS=1` writes them anew; read the difference.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_TESTS = Path(__file__).resolve().parents[1]
_CORPUS = _TESTS / "corpus"
_GOLDEN = _TESTS / "golden" / "dialects"
_UPDATE = os.environ.get("TOLLWAY_UPDATE_GOLDENS") == "1"

_TARGETS = {
    "openai-chat": "gpt-5.2",
    "openai-responses": "gpt-5.2",
    "anthropic-messages": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock-converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere-chat": "command-a-03-2025",
    "ollama-chat": "llama3.2",
}
_CALLERS = [*_TARGETS, "ollama-generate"]
"""Whose requests there are; no provider prefers a lone prompt, so none is ever written as one."""

_PROVIDER = Provider(
    name="golden",
    title="Golden",
    docs="",
    base_url=None,
    conversation={},
    signer=Bearer(),
    default_max_output_tokens=8192,
)

_CASES = sorted(
    path.relative_to(_CORPUS).with_suffix("").as_posix()
    for folder in _CALLERS
    for path in (_CORPUS / folder.replace("-", "_")).glob("*.json")
)


def _golden_path(case: str, target: str) -> Path:
    return _GOLDEN / f"{case}.{target.replace('-', '_')}.json"


def _rendered(case: str, target: str) -> dict[str, Any]:
    source = conversation_dialect(case.partition("/")[0].replace("_", "-"))
    body = (_CORPUS / f"{case}.json").read_bytes()
    request = source.parse_request(body, path_model="gemini-2.5-flash", stream=False)
    losses = Losses()
    try:
        sent = conversation_dialect(target).render_request(
            msgspec.structs.replace(request, model=_TARGETS[target]), _PROVIDER, losses
        )
    except BadRequest as refusal:
        return {"refused": {"param": refusal.param, "message": refusal.message}}
    return {"losses": losses.fields, "request": msgspec.json.decode(sent)}


@pytest.mark.parametrize("target", _TARGETS)
@pytest.mark.parametrize("case", _CASES)
def test_a_provider_gets_what_the_golden_says(case: str, target: str) -> None:
    rendered = _rendered(case, target)
    path = _golden_path(case, target)
    if _UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(rendered), indent=2) + b"\n")
    assert path.is_file(), f"no golden for {case} → {target}: run once with TOLLWAY_UPDATE_GOLDENS=1 and read it"
    assert rendered == msgspec.json.decode(path.read_bytes())


def test_every_golden_belongs_to_a_case() -> None:
    expected = {_golden_path(case, target) for case in _CASES for target in _TARGETS}
    orphans = sorted(str(path.relative_to(_GOLDEN)) for path in set(_GOLDEN.rglob("*.json")) - expected)
    assert orphans == []


@pytest.mark.parametrize("case", [f"{name.replace('-', '_')}/full" for name in _TARGETS])
def test_a_provider_of_the_callers_own_dialect_loses_nothing(case: str) -> None:
    own = case.partition("/")[0].replace("_", "-")
    assert _rendered(case, own)["losses"] == []
