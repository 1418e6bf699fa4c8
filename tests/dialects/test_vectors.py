import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import UpstreamGarbled
from tollway.dialects.vectors import floats, packed, read_vector

_VECTORS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5).map(tuple)


@given(vector=_VECTORS)
def test_both_forms_say_the_same(vector: tuple[float, ...]) -> None:
    assert floats(packed(vector)) == vector
    assert packed(packed(vector)) == packed(vector)
    assert floats(vector) is vector


def test_a_vector_is_read_in_either_form() -> None:
    text = base64.b64encode(struct.pack("<2f", 1.0, -0.5)).decode()
    assert read_vector(text) == text
    assert read_vector([1, -0.5]) == (1.0, -0.5)


@pytest.mark.parametrize("value", [[], ["x"], [True], None, "not base64!", "AAA=", [1e300], {}], ids=repr)
def test_what_is_no_vector_is_garbled(value: Any) -> None:
    with pytest.raises(UpstreamGarbled):
        read_vector(value)
