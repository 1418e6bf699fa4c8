"""A snapshot as bytes, and its version.

    encode(snapshot) -> bytes     MessagePack; secrets are in it in plain text: encrypt it or keep it private
    decode(data) -> Snapshot      refuses another FORMAT, damaged bytes, and content its version does not fit
    content_version(snapshot)     hash of the content, the version aside; secrets enter it hashed

Secrets travel as MessagePack's extension type 1, so that they are secrets again on arrival, also
inside policies' settings.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tollway.interfaces.secrets import Secret
from tollway.snapshot.document import FORMAT, Snapshot

_SECRET: Final = 1


class SnapshotRefused(Exception):
    """Bytes that are not a snapshot this gateway can run."""


class _Header(msgspec.Struct):
    format: int


def encode(snapshot: Snapshot) -> bytes:
    """Write a snapshot."""
    return _ENCODER.encode(snapshot)


def decode(data: bytes) -> Snapshot:
    """Read a snapshot.

    Raises:
        SnapshotRefused: it is of another format, damaged, or not what its version says.
    """
    try:
        header = _HEADER_DECODER.decode(data)
        if header.format != FORMAT:
            raise SnapshotRefused(
                f"the snapshot has format {header.format}, this gateway runs format {FORMAT}:"
                " compile it with the same release of Tollway"
            )
        snapshot = _DECODER.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotRefused(f"the snapshot is damaged: {type(error).__name__}") from None
    if content_version(snapshot) != snapshot.version:
        raise SnapshotRefused("the snapshot's content does not fit its version: compile it again")
    return snapshot


def content_version(snapshot: Snapshot) -> str:
    """The version that belongs to this content: equal content has equal version."""
    content = _HASHING_ENCODER.encode(msgspec.structs.replace(snapshot, version=""))
    return hashlib.sha256(content).hexdigest()


def policy_config(config_type: type[msgspec.Struct], config: Mapping[str, Any]) -> msgspec.Struct:
    """Give a policy's settings, as a snapshot holds them, their own type again.

    Raises:
        msgspec.ValidationError: they are not of that type; a compiled snapshot's are.
    """
    return msgspec.convert(config, config_type, dec_hook=_from_secret)


def _to_extension(value: object) -> object:
    if isinstance(value, Secret):
        return msgspec.msgpack.Ext(_SECRET, value.reveal().encode())
    raise NotImplementedError(f"a snapshot cannot hold {type(value).__name__}")


def _to_hash(value: object) -> object:
    if isinstance(value, Secret):
        return hashlib.sha256(value.reveal().encode()).hexdigest()
    raise NotImplementedError(f"a snapshot cannot hold {type(value).__name__}")


def _from_extension(code: int, data: memoryview) -> object:
    if code == _SECRET:
        return Secret(bytes(data).decode())
    raise msgspec.ValidationError(f"unknown extension type {code}")


def _from_secret(kind: type, value: object) -> object:
    if isinstance(value, kind):
        return value
    raise msgspec.ValidationError(f"expected a {kind.__name__}")


_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_to_extension, order="deterministic")
_HASHING_ENCODER: Final = msgspec.msgpack.Encoder(enc_hook=_to_hash, order="deterministic")
_HEADER_DECODER: Final = msgspec.msgpack.Decoder(_Header)
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot, ext_hook=_from_extension, dec_hook=_from_secret)
