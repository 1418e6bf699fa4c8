"""Proofs of one provider, carried through the signature field of another API and back.

A provider signs or encrypts its thinking and wants it back unchanged on the next turn. Where the
caller's API has only one field for such a thing, the foreign proof rides in it, packed as base64 of
a marked JSON object: base64, because one API decodes and re-encodes the field on its way back.
"""

import base64
import binascii
from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON

_MARK: Final = b"tollway-proof/1\n"


class CarriedProof(msgspec.Struct, frozen=True, omit_defaults=True):
    """What rides in a foreign signature field."""

    part_signature: str | None = None
    """The signature of the tool call that follows."""
    encrypted: str | None = None
    """Encrypted thinking."""
    id: str | None = None
    """The id of the thinking item."""
    signature: str | None = None
    """The signature of the thinking itself, in an API whose thinking has no such field."""
    text: str | None = None
    """The words that `signature` signs; some clients send back only what is encrypted."""


_DECODER: Final = msgspec.json.Decoder(CarriedProof)


def pack(proof: CarriedProof) -> str:
    """Write a proof as a signature."""
    return base64.b64encode(_MARK + msgspec.json.encode(proof)).decode()


def unpack(signature: str | None) -> CarriedProof | None:
    """Read a signature; None where it is a provider's own."""
    if not signature or not signature.startswith("dG9sbHdheS1wcm9vZi"):  # "tollway-proof" in base64
        return None
    try:
        raw = base64.b64decode(standard_base64(signature), validate=True)
        return _DECODER.decode(raw[len(_MARK) :]) if raw.startswith(_MARK) else None
    except (binascii.Error, *NOT_JSON):
        return None


def standard_base64(text: str) -> str:
    """Turn URL-safe base64 into the standard alphabet, with padding."""
    text = text.replace("-", "+").replace("_", "/")
    return text + "=" * (-len(text) % 4)
