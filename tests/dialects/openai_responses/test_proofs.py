import pytest

from tollway.core.conversation import Reasoning
from tollway.dialects.openai_responses.proofs import call_proof, encrypted_content, unpacked


def test_what_a_provider_of_this_api_encrypted_stays_as_it_is() -> None:
    part = Reasoning(encrypted="gAAA", id="rs_1")
    assert encrypted_content(part, own=True) == "gAAA"
    assert unpacked(part) == (part, None)


@pytest.mark.parametrize(
    "part",
    [
        Reasoning("thought", signature="s", carried=True),
        Reasoning(encrypted="redacted", carried=True),
        Reasoning(encrypted="e", id="rs_1"),
        Reasoning("", signature="s", carried=True),
    ],
    ids=["signed", "redacted", "other-item", "signature-only"],
)
def test_another_providers_proof_comes_back_even_when_the_words_do_not(part: Reasoning) -> None:
    packed = encrypted_content(part, own=False)
    assert packed is not None
    assert unpacked(Reasoning(encrypted=packed, id="rs_new")) == (part, None)


def test_plain_thinking_has_nothing_to_prove() -> None:
    assert encrypted_content(Reasoning("thought"), own=False) is None
    assert unpacked(Reasoning("thought")) == (Reasoning("thought"), None)


def test_a_calls_signature_is_no_thinking() -> None:
    assert unpacked(Reasoning(encrypted=call_proof("s"), id="rs_1")) == (None, "s")
