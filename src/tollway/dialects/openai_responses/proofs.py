"""Where other providers' proofs ride in Responses: in a reasoning item's `encrypted_content`.

Rules of this file:
- What an OpenAI-like provider encrypted stays as it is. Another provider's signature or encrypted
  thinking is packed, with the words it signs, since some clients send back nothing else.
- The signature of a tool call rides in a reasoning item of its own, right before the call.
"""

from tollway.core.conversation import Reasoning
from tollway.dialects.carried_proof import CarriedProof, pack, unpack


def encrypted_content(part: Reasoning, *, own: bool) -> str | None:
    """Give a reasoning item's `encrypted_content`. `own`: a provider of this API wrote the part."""
    if own:
        return part.encrypted
    if part.signature is None and part.encrypted is None:
        return None
    signed = None if part.signature is None else part.text
    return pack(CarriedProof(encrypted=part.encrypted, id=part.id, signature=part.signature, text=signed))


def call_proof(signature: str) -> str:
    """Give the `encrypted_content` that stands for a tool call's signature."""
    return pack(CarriedProof(part_signature=signature))


def unpacked(part: Reasoning) -> tuple[Reasoning | None, str | None]:
    """Read a reasoning item back: the thinking as its provider wrote it, and the next call's signature."""
    proof = unpack(part.encrypted)
    if proof is None:
        return part, None
    if proof.signature is None and proof.encrypted is None and not part.text and not part.summary:
        return None, proof.part_signature
    text = part.text if proof.text is None else proof.text
    carried = proof.id is None or not proof.id.startswith("rs_")  # those that have one come from a provider of this API
    thinking = Reasoning(text, signature=proof.signature, encrypted=proof.encrypted, carried=carried, id=proof.id)
    return thinking, proof.part_signature
