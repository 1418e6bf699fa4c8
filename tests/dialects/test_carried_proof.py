import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.dialects.carried_proof import CarriedProof, pack, standard_base64, unpack

_words = st.none() | st.text()


@given(_words, _words, _words)
def test_a_proof_comes_back_as_it_went(part_signature: str | None, encrypted: str | None, item: str | None) -> None:
    proof = CarriedProof(part_signature=part_signature, encrypted=encrypted, id=item)
    assert unpack(pack(proof)) == proof


@given(st.text())
def test_a_proof_survives_a_client_that_reads_base64_and_writes_the_url_safe_kind(words: str) -> None:
    packed = pack(CarriedProof(encrypted=words))
    rewritten = base64.urlsafe_b64encode(base64.b64decode(packed)).decode().rstrip("=")
    assert unpack(rewritten) == CarriedProof(encrypted=words)


@pytest.mark.parametrize(
    "signature",
    [None, "", "EqwCCmMIDxgCKkAqDq8s", "dG9sbHdheS1wcm9vZi8xCns=", "dG9sbHdheS1wcm9vZi!!", "dG9sbHdheS1wcm9vZiBlbHNl"],
)
def test_a_providers_own_signature_is_left_alone(signature: str | None) -> None:
    assert unpack(signature) is None


@given(st.binary())
def test_both_alphabets_become_the_standard_one(raw: bytes) -> None:
    assert standard_base64(base64.urlsafe_b64encode(raw).decode().rstrip("=")) == base64.b64encode(raw).decode()
