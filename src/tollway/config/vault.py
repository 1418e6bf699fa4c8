"""The local vault: secrets encrypted in one file of the gateway's data folder.

    <data_dir>/vault.json    {"format": 1, "key_id": …, "secrets": {name: {"nonce": …, "ciphertext": …}}}
    <data_dir>/master.key    the key, base64; absent where TOLLWAY_MASTER_KEY holds it
    <data_dir>/vault.lock    held by who writes

Rules of this file:
- AES-256-GCM, a fresh nonce a secret and write, the name as additional data: entries cannot be swapped.
- Files are 0600 and replaced whole: written beside, flushed to disk, renamed. A reader sees the old
  or the new vault, never a part.
- Rotation keeps the old key readable until the vault is written with the new one, so that a crash
  at any point loses nothing.
"""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tollway.config.private_files import write_private_file
from tollway.config.secret_sources import MAX_SECRET_BYTES
from tollway.interfaces.secrets import Secret

RESPONSE_STATE_KEY: Final = "tollway/response-state"
"""The secret that kept responses are encrypted with. Deleting it makes all of them unreadable at once."""

MASTER_KEY_VARIABLES: Final = ("TOLLWAY_MASTER_KEY", "TOLLWAY_NEXT_MASTER_KEY")
"""Where the master key may stand in the environment; the second one is read during its rotation."""

_FORMAT: Final = 1
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}")


class VaultError(LookupError):
    """The vault cannot do what was asked; the message says why and what would mend it, never a value."""


class _Entry(msgspec.Struct):
    nonce: bytes
    ciphertext: bytes


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    format: int
    key_id: str
    secrets: dict[str, _Entry] = {}


class Vault:
    """One vault. Every operation reads the file anew, so that several processes can share it."""

    def __init__(self, data_dir: Path, *, master_keys: Sequence[str] = ()) -> None:
        """Open the vault of `data_dir`.

        Args:
            data_dir: the gateway's data folder; created when a secret is first stored.
            master_keys: keys from the environment, base64 of 32 bytes, the current one first. Without
                any, `master.key` in the folder is used, and created when a secret is first stored.
        """
        self.file = self._path = data_dir / "vault.json"
        self._key_path = data_dir / "master.key"
        self._lock_path = data_dir / "vault.lock"
        self._given = tuple(master_keys)

    def get(self, name: str) -> Secret:
        """Return a secret.

        Raises:
            VaultError: there is none of that name, or it cannot be decrypted.
        """
        content = self._read()
        entry = content.secrets.get(name)
        if entry is None:
            raise VaultError(f"the vault {self._path} has no secret {name!r}: run `tollway secret set {name}`")
        return Secret(self._decrypted(name, entry, self._key_of(content)).decode())

    def names(self) -> tuple[str, ...]:
        """Names of all secrets, sorted.

        Raises:
            VaultError: the vault cannot be read.
        """
        return tuple(sorted(self._read().secrets))

    def set(self, name: str, secret: Secret) -> None:
        """Store a secret under a new or known name.

        Raises:
            VaultError: the name or value is not one, or the vault cannot be read.
        """
        if not _NAME.fullmatch(name):
            raise VaultError(f"{name!r} is not a name for a secret: use letters, digits and . _ / - (at most 128)")
        value = secret.reveal().encode()
        if not value or len(value) > MAX_SECRET_BYTES:
            raise VaultError(f"a secret has 1 to {MAX_SECRET_BYTES} bytes, this one {len(value)}")
        with self._locked():
            self._store(name, value)

    def obtain(self, name: str, make: Callable[[], Secret]) -> Secret:
        """Return a secret, made and stored first where there is none; of several that ask at once, one makes it.

        Raises:
            VaultError: the vault cannot be read.
        """
        with self._locked():
            if self._path.exists() and name in self._read().secrets:
                return self.get(name)
            made = make()
            self._store(name, made.reveal().encode())
        return made

    def delete(self, name: str) -> None:
        """Remove a secret.

        Raises:
            VaultError: there is none of that name.
        """
        with self._locked():
            content = self._read()
            if content.secrets.pop(name, None) is None:
                raise VaultError(f"the vault {self._path} has no secret {name!r}")
            self._write(content)

    def rotate(self) -> int:
        """Encrypt every secret with a new master key; returns how many there are.

        With the key in a file, a new one is made. With it in the environment, the new one is
        `TOLLWAY_NEXT_MASTER_KEY`, and takes the other's place afterwards.

        Raises:
            VaultError: a secret cannot be decrypted, or no next key is given. Nothing is changed.
        """
        with self._locked():
            content = self._read()
            old = self._key_of(content)
            plain = {name: self._decrypted(name, entry, old) for name, entry in content.secrets.items()}
            new = self._next_key()
            if not self._given:
                write_private_file(self._key_path, _key_lines(new, old))
            entries = {name: _encrypted(name, value, new) for name, value in plain.items()}
            self._write(_Content(_FORMAT, _key_id(new), entries))
            if not self._given:
                write_private_file(self._key_path, _key_lines(new))
        return len(plain)

    def _store(self, name: str, value: bytes) -> None:
        if self._path.exists():
            content = self._read()
            key = self._key_of(content)  # no other key: it would split the vault in two halves
        else:
            key = self._first_key()
            content = _Content(_FORMAT, _key_id(key))
        content.secrets[name] = _encrypted(name, value, key)
        self._write(content)

    def _next_key(self) -> bytes:
        if not self._given:
            return os.urandom(_KEY_BYTES)
        keys = self._keys()
        if len(keys) < 2:
            current, following = MASTER_KEY_VARIABLES
            raise VaultError(f"the master key is in {current}: put the new one in {following}, and rotate again")
        return keys[1]

    def _read(self) -> _Content:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            raise VaultError(f"there is no vault {self._path} yet: run `tollway secret set NAME`") from None
        except OSError as error:
            raise VaultError(f"the vault {self._path} cannot be read: {error.strerror}") from None
        try:
            content = msgspec.json.decode(data, type=_Content)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise VaultError(f"the vault {self._path} is damaged: restore it from a backup") from None
        if content.format != _FORMAT:
            raise VaultError(f"the vault {self._path} has format {content.format}: use the release that wrote it")
        return content

    def _write(self, content: _Content) -> None:
        write_private_file(self._path, msgspec.json.format(msgspec.json.encode(content)) + b"\n")

    def _key_of(self, content: _Content) -> bytes:
        """The key the vault was written with, among those there are."""
        for key in self._keys():
            if _key_id(key) == content.key_id:
                return key
        where = MASTER_KEY_VARIABLES[0] if self._given else str(self._key_path)
        raise VaultError(f"the vault {self._path} was encrypted with another master key than the one in {where}")

    def _keys(self) -> list[bytes]:
        if self._given:
            return [_decoded_key(text, MASTER_KEY_VARIABLES[0]) for text in self._given]
        try:
            lines = self._key_path.read_text("ascii").split()
        except FileNotFoundError:
            where = f"put it back at {self._key_path}, or in {MASTER_KEY_VARIABLES[0]}"
            raise VaultError(f"the master key of the vault {self._path} is missing: {where}") from None
        except (OSError, UnicodeDecodeError):
            raise VaultError(f"the master key {self._key_path} cannot be read") from None
        return [_decoded_key(line, str(self._key_path)) for line in lines]

    def _first_key(self) -> bytes:
        if self._given or self._key_path.exists():
            return self._keys()[0]
        key = os.urandom(_KEY_BYTES)
        write_private_file(self._key_path, _key_lines(key))
        return key

    def _decrypted(self, name: str, entry: _Entry, key: bytes) -> bytes:
        try:
            return AESGCM(key).decrypt(entry.nonce, entry.ciphertext, _additional(name))
        except (InvalidTag, ValueError):
            message = f"the secret {name!r} in the vault {self._path} was altered: set it again"
            raise VaultError(message) from None

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        try:
            self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise VaultError(f"the vault {self._path} cannot be locked: {error.strerror}") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


class VaultSource:
    """`${vault:NAME}`: a secret of the local vault."""

    scheme = "vault"

    def __init__(self, vault: Vault) -> None:
        """Resolve names in `vault`, which is read only when one is asked for."""
        self._vault = vault
        self.asked: list[Path] = []
        """The files asked for so far."""

    def resolve(self, name: str) -> Secret:
        """Return the secret.

        Raises:
            LookupError: there is none, or it cannot be decrypted.
        """
        self.asked.append(self._vault.file)
        return self._vault.get(name)


def _encrypted(name: str, value: bytes, key: bytes) -> _Entry:
    nonce = os.urandom(_NONCE_BYTES)
    return _Entry(nonce, AESGCM(key).encrypt(nonce, value, _additional(name)))


def _additional(name: str) -> bytes:
    return f"tollway vault {_FORMAT}\0{name}".encode()


def _key_id(key: bytes) -> str:
    """Tells keys apart without telling what they are."""
    return hashlib.sha256(b"tollway master key\0" + key).hexdigest()[:16]


def _decoded_key(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise VaultError(f"{where} does not hold a master key: it is base64 of {_KEY_BYTES} bytes")
    return key


def _key_lines(*keys: bytes) -> bytes:
    return b"".join(base64.b64encode(key) + b"\n" for key in keys)
