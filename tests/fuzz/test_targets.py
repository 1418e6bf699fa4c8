"""Every reader of strangers' and providers' bytes, fed what is nearly right and what is hostile.

`python -m tests.fuzz` feeds the same targets for longer, guided by the code they reach.
"""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .targets import Target, seeds, targets

_TARGETS = targets()
_OF_JSON = {name: target for name, target in _TARGETS.items() if name.endswith(("-request", "-answer", "embeddings"))}
_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("name", _TARGETS)
def test_nothing_hostile_breaks_a_reader(name: str) -> None:
    for seed in seeds(name):
        _TARGETS[name](seed)


@pytest.mark.parametrize("name", _TARGETS)
@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=200))
def test_no_bytes_break_a_reader(name: str, data: bytes) -> None:
    _TARGETS[name](data)


@pytest.mark.parametrize("target", _OF_JSON.values(), ids=_OF_JSON)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_document_with_anything_in_one_place_breaks_no_reader(target: Target, data: st.DataObject) -> None:
    name = next(one for one, found in _OF_JSON.items() if found is target)
    documents = [seed for seed in seeds(name) if seed.startswith((b"{\n", b'{"'))]
    document = data.draw(st.sampled_from(documents))
    target(_with_something_else(document, data))


def _with_something_else(document: bytes, data: st.DataObject) -> bytes:
    """Put any value at one place of a document, or leave that place out."""
    try:
        value = msgspec.json.decode(document)
    except (msgspec.DecodeError, RecursionError):
        return document
    holder: Any = value
    while True:
        places = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not places:
            return msgspec.json.encode(value)
        place = data.draw(st.sampled_from(places))
        inner = holder[place]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            holder = inner
            continue
        if data.draw(st.integers(0, 4)) == 0:
            del holder[place]
        else:
            holder[place] = data.draw(_any_json)
        return msgspec.json.encode(value)
