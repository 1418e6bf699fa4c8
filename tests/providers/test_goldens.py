"""Corpus by provider: what each provider gets for each caller's request that must be translated, and what is lost.

`tests/golden/providers/<provider>/<caller's dialect>/<case>.json` is what `tests/corpus/<caller's dialect>/<case>.json`
becomes. Requests in a dialect that the provider speaks need no golden: their bytes pass, but for the model.
`model.txt` beside them names a model of the provider's own, for some of what is sent depends on the model.
Embeddings lie in a folder `embeddings` of either side.
`TOLLWAY_UPDATE_GOLDENS=1` writes them anew; read the difference.
"""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.fitting import fitted
from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.interfaces.provider import Provider
from tollway.snapshot.plugins import provider, provider_names

_TESTS = Path(__file__).resolve().parents[1]
_CORPUS = _TESTS / "corpus"
_GOLDEN = _TESTS / "golden" / "providers"
_UPDATE = os.environ.get("TOLLWAY_UPDATE_GOLDENS") == "1"

_FILES = {path.relative_to(_CORPUS).with_suffix("").as_posix(): path for path in sorted(_CORPUS.glob("*/*.json"))}
_PAIRS = [(name, case) for name in provider_names() if provider(name).conversation for case in _FILES]
_EMBEDDINGS = {
    path.relative_to(_CORPUS).with_suffix("").as_posix(): path for path in sorted(_CORPUS.glob("embeddings/*/*.json"))
}


def _model(name: str) -> str:
    return (_GOLDEN / name / "model.txt").read_text("utf-8").strip()


def _dialect_of(case: str) -> str:
    return case.partition("/")[0].replace("_", "-")


def _served(name: str, case: str) -> Provider:
    """Give the provider as it is asked for its model by callers of the case's dialect."""
    return provider(name).serving(_model(name), caller=_dialect_of(case))


_TRANSLATED = [(name, case) for name, case in _PAIRS if _dialect_of(case) not in _served(name, case).conversation]
_EMBEDDED = [
    (name, case)
    for name in provider_names()
    if provider(name).embeddings
    for case in _EMBEDDINGS
    if _dialect_of(case.removeprefix("embeddings/")) not in provider(name).embeddings
]
_PASSED = [pair for pair in _PAIRS if pair not in _TRANSLATED]


def _rendered(name: str, case: str) -> dict[str, Any]:
    target = _served(name, case)
    dialect = next(iter(target.conversation))
    request = conversation_dialect(_dialect_of(case)).parse_request(
        _FILES[case].read_bytes(), path_model="m", stream=False
    )
    losses = Losses()
    try:
        request = fitted(msgspec.structs.replace(request, model=_model(name)), target, losses)
        sent = conversation_dialect(dialect).render_request(request, target, losses)
    except BadRequest as refusal:
        return {"dialect": dialect, "refused": {"param": refusal.param, "message": refusal.message}}
    members = {member: value for member, value in msgspec.json.decode(sent).items() if member not in target.omits}
    return {"dialect": dialect, "losses": losses.fields, "request": members | dict(target.body)}


def _embedded(name: str, case: str) -> dict[str, Any]:
    target = provider(name)
    dialect = next(iter(target.embeddings))
    losses = Losses()
    try:
        request = embeddings_dialect(_dialect_of(case.removeprefix("embeddings/"))).parse_request(
            _EMBEDDINGS[case].read_bytes(), path_model="", path_action="batchEmbedContents"
        )
        sent = embeddings_dialect(dialect).render_request(
            msgspec.structs.replace(request, model=_model(name)), target, losses
        )
    except BadRequest as refusal:
        return {"dialect": dialect, "refused": {"param": refusal.param, "message": refusal.message}}
    return {"dialect": dialect, "losses": losses.fields, "request": msgspec.json.decode(sent)}


@pytest.mark.parametrize(("name", "case"), [*_TRANSLATED, *_EMBEDDED])
def test_a_provider_gets_what_the_golden_says(name: str, case: str) -> None:
    rendered = _embedded(name, case) if case in _EMBEDDINGS else _rendered(name, case)
    path = _GOLDEN / name / f"{case}.json"
    if _UPDATE:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(rendered), indent=2) + b"\n")
    assert path.is_file(), f"no golden for {case} → {name}: run once with TOLLWAY_UPDATE_GOLDENS=1 and read it"
    assert rendered == msgspec.json.decode(path.read_bytes())


@pytest.mark.parametrize(("name", "case"), _PASSED)
def test_in_a_dialect_it_speaks_a_provider_gets_the_callers_own_bytes_but_for_the_model(name: str, case: str) -> None:
    dialect = conversation_dialect(_dialect_of(case))
    written = msgspec.json.decode(_FILES[case].read_bytes(), type=dict[str, msgspec.Raw])
    members = dict(written)
    dialect.rewrite_model(members, _model(name))
    changed = {member for member in members if bytes(members[member]) != bytes(written.get(member, b""))}
    assert members.keys() >= written.keys()
    assert changed <= (set() if dialect.path_has_model else {"model"})
    if not dialect.path_has_model:
        assert msgspec.json.decode(members["model"]) == _model(name)


def test_every_golden_belongs_to_a_case() -> None:
    expected = {_GOLDEN / name / f"{case}.json" for name, case in [*_TRANSLATED, *_EMBEDDED]}
    orphans = sorted(str(path.relative_to(_GOLDEN)) for path in set(_GOLDEN.rglob("*.json")) - expected)
    assert orphans == []


@pytest.mark.parametrize("name", provider_names())
def test_a_provider_is_asked_for_a_model_of_its_own(name: str) -> None:
    known = provider(name).known_models
    assert not known or _model(name) in known
