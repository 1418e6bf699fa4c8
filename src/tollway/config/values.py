"""The kinds of value that operators write in a form of their own: durations, sizes, addresses, references.

Rules of this file:
- Each kind parses what YAML gives it and raises `ValueError` with the mend; the message of a secret
  kind never quotes what was written, because it may be a secret in the wrong place.
- Each kind says what its JSON Schema is, so that editors check what the loader checks.
"""

import re
from typing import ClassVar, Final, Self, cast

from tollway.core.json_value import JsonObject

REFERENCE_SCHEMES: Final = ("env", "file", "vault")
"""Where secrets can come from."""

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?")
_UNITS: Final = {"B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_ADDRESS: Final = re.compile(r"(?:(?P<host>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]*):)?(?P<port>[0-9]{1,5})")
_REFERENCE: Final = re.compile(r"\$\{(?P<scheme>[a-z]+):(?P<name>[^{}]+)\}")
_ANY_REFERENCE: Final = re.compile(r"\$\{[a-z]+:")
_SECRET_HASH: Final = re.compile(r"sha256:(?P<salt>[^:\s]{8,128}):(?P<hash>[0-9a-f]{64})")
_REFERENCE_MEND: Final = (
    "put the secret in the environment and write ${env:NAME}, in a file and write ${file:PATH},"
    " or store it with `tollway secret set NAME` and write ${vault:NAME}"
)


class Duration(float):
    """A time span in seconds, written with its unit: `500ms`, `30s`, `2m`, `1h`, `7d`."""

    json_schema: ClassVar[JsonObject] = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}
    shape: ClassVar[str] = "duration"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read it.

        Raises:
            ValueError: with the mend.
        """
        if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            return cls(float(match[1]) * _SECONDS[match[2]])
        if isinstance(value, int | float) and not isinstance(value, bool):
            raise ValueError(f"{value} has no unit: write {value}s, {value}ms, {value}m or {value}h")  # noqa: TRY004
        raise ValueError("not a duration: write a number with its unit, such as 500ms, 30s, 2m or 1h")

    def __str__(self) -> str:
        seconds = float(self)
        for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
            if seconds >= size and seconds % size == 0:
                return f"{int(seconds // size)}{unit}"
        return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


class ByteSize(int):
    """A number of bytes, plain or with a unit: `65536`, `64KiB`, `16MB`."""

    json_schema: ClassVar[JsonObject] = {
        "anyOf": [
            {"type": "integer", "minimum": 1},
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)?$"},
        ]
    }
    shape: ClassVar[str] = "size"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read it.

        Raises:
            ValueError: with the mend.
        """
        if isinstance(value, int) and not isinstance(value, bool):
            size = value
        elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
            size = int(float(match[1]) * _UNITS[match[2] or "B"])
        else:
            raise ValueError("not a size: write a number of bytes or one with its unit, such as 64KiB or 16MB")
        if size < 1:
            raise ValueError("must be at least 1 byte")
        return cls(size)

    def __str__(self) -> str:
        for unit in ("GiB", "MiB", "KiB"):
            if self and self % _UNITS[unit] == 0:
                return f"{self // _UNITS[unit]}{unit}"
        return str(int(self))


class Address(str):
    """An address to listen on: `host:port`, or a port alone for 127.0.0.1."""

    __slots__ = ("host", "port")

    json_schema: ClassVar[JsonObject] = {
        "anyOf": [{"type": "integer", "minimum": 0, "maximum": 65_535}, {"type": "string", "pattern": r"[0-9]{1,5}$"}]
    }
    shape: ClassVar[str] = "address"

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read it.

        Raises:
            ValueError: with the mend.
        """
        match = _ADDRESS.fullmatch(str(value)) if isinstance(value, str | int) and value is not True else None
        if match is None:
            raise ValueError("not an address: write host:port such as 127.0.0.1:8081, or a port alone for 127.0.0.1")
        port = int(match["port"])
        if port > 65_535:
            raise ValueError(f"{port} is not a port: write one up to 65535, or 0 for any free one")
        # A port alone must not open the gateway to the network: that is asked for by its address.
        host = (match["host"] or "127.0.0.1").strip("[]")
        address = cls(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        address.host, address.port = host, port
        return address


class SecretReference(str):
    """Where a secret is kept: `${env:NAME}`, `${file:PATH}` or `${vault:NAME}`."""

    __slots__ = ("name", "scheme")

    json_schema: ClassVar[JsonObject] = {"type": "string", "pattern": r"^\$\{(env|file|vault):[^{}]+\}$"}
    shape: ClassVar[str] = "secret reference"

    scheme: str
    name: str

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read it. The message never quotes the value.

        Raises:
            ValueError: with the mend.
        """
        match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError(f"a secret may not be written here: {_REFERENCE_MEND}")
        if match["scheme"] not in REFERENCE_SCHEMES:
            known = ", ".join(f"${{{scheme}:…}}" for scheme in REFERENCE_SCHEMES)
            raise ValueError(f"${{{match['scheme']}:…}} is not a place secrets come from; known: {known}")
        reference = cls(value)
        reference.scheme, reference.name = match["scheme"], match["name"]
        return reference


class SecretReferences(tuple[SecretReference, ...]):
    """One secret reference, or a list of several."""

    __slots__ = ()

    json_schema: ClassVar[JsonObject] = {
        "anyOf": [
            SecretReference.json_schema,
            {"type": "array", "minItems": 1, "items": SecretReference.json_schema},
        ]
    }
    shape: ClassVar[str] = "secret reference, or a list of them"

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read it.

        Raises:
            ValueError: with the mend.
        """
        if not isinstance(value, list):
            return cls((SecretReference.parse(value),))
        if not value:
            raise ValueError("empty: write at least one reference, such as ${env:NAME}")
        return cls(SecretReference.parse(item) for item in cast("list[object]", value))


class ClientSecretValue(str):
    """A client secret: its hash `sha256:<salt>:<hex>`, or a reference to the secret itself."""

    __slots__ = ("reference", "salt", "sha256")

    json_schema: ClassVar[JsonObject] = {
        "anyOf": [
            SecretReference.json_schema,
            {"type": "string", "pattern": r"^sha256:[^:\s]{8,128}:[0-9a-f]{64}$"},
        ]
    }
    shape: ClassVar[str] = "secret hash or reference"

    reference: SecretReference | None
    salt: str
    sha256: str

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read it. The message never quotes the value.

        Raises:
            ValueError: with the mend.
        """
        text = value if isinstance(value, str) else ""
        if match := _SECRET_HASH.fullmatch(text):
            secret = cls(text)
            secret.reference, secret.salt, secret.sha256 = None, match["salt"], match["hash"]
            return secret
        if text.startswith("sha256:"):
            raise ValueError(
                "not a secret hash: write sha256:<salt>:<64 hex digits>, as `tollway secret hash` prints it"
            )
        if not _ANY_REFERENCE.match(text):
            raise ValueError(
                "a client secret may not be written here in plain text:"
                f" write the hash that `tollway secret hash` prints, or {_REFERENCE_MEND}"
            )
        secret = cls(text)
        secret.reference, secret.salt, secret.sha256 = SecretReference.parse(text), "", ""
        return secret


Written = Duration | ByteSize | Address | SecretReference | SecretReferences | ClientSecretValue
"""A value of any of the kinds above."""

WRITTEN_KINDS: Final[tuple[type[Written], ...]] = (
    Duration,
    ByteSize,
    Address,
    SecretReference,
    SecretReferences,
    ClientSecretValue,
)


def looks_like_reference(text: str) -> bool:
    """True for text that holds a `${scheme:…}` reference."""
    return _ANY_REFERENCE.search(text) is not None
