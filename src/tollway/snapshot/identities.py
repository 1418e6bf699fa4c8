"""Compiles identities that are exchanged for tokens: one credential, as the request to its token endpoint.

Rules of this file:
- What is asked, and how, is `signing`'s; here the secrets are read and every address is checked.
- A token endpoint is reached by `https`, but for this machine's own: its requests hold secrets.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from tollway.config import resources as written
from tollway.config.problems import Path
from tollway.config.secret_sources import UnreadSecret
from tollway.config.values import SecretReference
from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import TokenGrant
from tollway.signing import entra_identity as entra
from tollway.signing import google_identity as google
from tollway.signing.client_credentials import client_credentials_grant
from tollway.snapshot.compilation import Compilation
from tollway.snapshot.http_checks import Url, checked_url, is_header_value
from tollway.snapshot.tls_files import check_authorities

ANY_SERVER: Final = "oauth2"
"""The kind of identity whose scope is the operator's own business."""

_KINDS: Final = ("values", "google", "entra", "oauth2")
_TENANT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_NOTHING: Final = TokenGrant(url="https://not-read.invalid")
"""Stands where secrets are not read, or what was read is wrong: such a snapshot runs nothing."""


class TokenSource(msgspec.Struct, frozen=True):
    """An identity, ready for any scope."""

    kind: str
    scope: str
    """What its credential asks for; empty leaves it to the provider."""
    grant: Callable[[str], TokenGrant]


def compile_identity(compilation: Compilation, one: written.Credential, path: Path) -> TokenSource | None:
    """The identity of a credential; None where it holds keys."""
    given = [kind for kind in _KINDS if getattr(one, kind) is not None]
    if len(given) != 1:
        mend = "give one of `values`, `google`, `entra` and `oauth2`"
        said = f"{', '.join(given)} stand side by side" if given else "missing: it holds no key and no identity"
        if given or not compilation.problems.touched(path):  # what could not be read is not missing
            compilation.problems.add(path, f"{said}: {mend}")
        return None
    identity = one.google or one.entra or one.oauth2
    if identity is None:
        return None
    kind = given[0]
    below: Path = (*path, kind)
    grant = _Compiler(compilation, below).grant(identity)
    ca_file = None
    if identity.ca_file is not None:
        file = compilation.file(identity.ca_file)
        check_authorities(file, (*below, "ca_file"), compilation.problems)
        ca_file = str(file)

    def whole(scope: str) -> TokenGrant:
        asked = grant(scope)
        private = asked.allow_private or identity.allow_private
        return msgspec.structs.replace(asked, ca_file=ca_file, allow_private=private)

    return TokenSource(kind, identity.scope, whole)


class _Compiler:
    """One identity, at one place."""

    def __init__(self, compilation: Compilation, path: Path) -> None:
        self._compilation = compilation
        self._path = path

    def grant(self, identity: written.Identity) -> Callable[[str], TokenGrant]:
        match identity:
            case written.GoogleIdentity():
                return self._google(identity)
            case written.EntraIdentity():
                return self._entra(identity)
            case written.OAuth2Identity():
                return self._oauth2(identity)
            case _:  # pragma: no cover - all there are
                return _nothing

    def _google(self, one: written.GoogleIdentity) -> Callable[[str], TokenGrant]:
        if not self._one_of({"key": one.key, "metadata_server": one.metadata_server or None}):
            return _nothing
        url = self._url(one.url, identity=one) if one.url else None
        if one.url and url is None:
            return _nothing
        if one.key is None:
            address = google.METADATA_URL if url is None else url.base
            return lambda scope: google.metadata_grant(scope, url=address)
        secret = self._secret(one.key, "key")
        if secret is None:
            return _nothing
        try:
            file = google.read_key_file(secret.reveal(), token_url="" if url is None else url.base)
        except ValueError as error:
            return self._wrong("key", str(error))
        loopback = url is not None and url.loopback
        return lambda scope: msgspec.structs.replace(file.grant(scope), allow_private=loopback)

    def _entra(self, one: written.EntraIdentity) -> Callable[[str], TokenGrant]:
        proofs = {
            "client_secret": one.client_secret,
            "certificate": one.certificate,
            "federated_token": one.federated_token,
        }
        if not self._one_of({**proofs, "managed_identity": one.managed_identity or None}):
            return _nothing
        url = self._url(one.url or entra.AUTHORITY, identity=one)
        if one.managed_identity:
            return self._managed(one, url)
        if one.identity_header is not None:
            return self._wrong("identity_header", "is for `managed_identity`: remove it")
        if not _TENANT.fullmatch(one.tenant):
            return self._wrong("tenant", "missing, or not a tenant: write its id, or a domain of it")
        if not one.client_id:
            return self._wrong("client_id", "missing: the application's id")
        ((name, reference),) = [(name, reference) for name, reference in proofs.items() if reference is not None]
        secret = self._secret(reference, name)
        if url is None or secret is None:
            return _nothing
        application = entra.Application(one.tenant, one.client_id, authority=url.base)
        make = self._proof(application, name, secret)
        return lambda scope: msgspec.structs.replace(make(scope), allow_private=url.loopback)

    def _proof(self, application: entra.Application, name: str, secret: Secret) -> Callable[[str], TokenGrant]:
        if name == "client_secret":
            return lambda scope: application.with_secret(secret, scope)
        if name == "federated_token":
            return lambda scope: application.with_federated_token(secret, scope)
        try:
            key, thumbprint = entra.read_certificate(secret.reveal())
        except ValueError as error:
            return self._wrong(name, str(error))
        return lambda scope: application.with_certificate(key, thumbprint, scope)

    def _managed(self, one: written.EntraIdentity, url: Url | None) -> Callable[[str], TokenGrant]:
        if one.tenant:
            return self._wrong("tenant", "is for applications; a machine's own identity has its own: remove it")
        header = None
        if one.identity_header is not None:
            if not one.url:
                return self._wrong("url", "missing: the address that stands in IDENTITY_ENDPOINT")
            header = self._secret(one.identity_header, "identity_header")
            if header is None:
                return _nothing
            if not is_header_value(header.reveal()):
                return self._wrong("identity_header", "the secret cannot be sent in a header: it is not visible ASCII")
        if url is None:
            return _nothing
        address = url.base if one.url else entra.IMDS_URL
        return lambda scope: entra.managed_grant(scope, url=address, client_id=one.client_id, header=header)

    def _oauth2(self, one: written.OAuth2Identity) -> Callable[[str], TokenGrant]:
        url = self._url(one.url, identity=one)
        secret = self._secret(one.client_secret, "client_secret")
        for name in one.parameters.keys() & {"grant_type", "client_id", "client_secret", "scope"}:
            message = f"`{name}` has its own place: remove it here"
            self._compilation.problems.add((*self._path, "parameters", name), message, at_key=True)
        if url is None or secret is None:
            return _nothing
        address = url.base + ("/" if one.url.endswith("/") else "")  # a server may insist on it
        return lambda scope: msgspec.structs.replace(
            client_credentials_grant(
                address,
                one.client_id,
                secret,
                scope=scope,
                parameters=one.parameters,
                authentication=one.client_authentication,
            ),
            allow_private=url.loopback,
        )

    def _one_of(self, choices: Mapping[str, object]) -> bool:
        """Check that one of the choices is made."""
        given = [name for name, value in choices.items() if value is not None]
        if len(given) == 1:
            return True
        said = f"{', '.join(given)} stand side by side" if given else "missing: it says nothing that proves it"
        if given or not self._compilation.problems.touched(self._path):
            mend = f"give one of {', '.join(f'`{name}`' for name in choices)}"
            self._compilation.problems.add(self._path, f"{said}: {mend}")
        return False

    def _url(self, text: str, *, identity: written.Identity) -> Url | None:
        at: Path = (*self._path, "url")
        problems = self._compilation.problems
        url = checked_url(text, at, problems)
        if url is None:
            return None
        machines_own = isinstance(identity, written.GoogleIdentity | written.EntraIdentity) and (
            getattr(identity, "metadata_server", False) or getattr(identity, "managed_identity", False)
        )
        if url.scheme == "http" and not url.loopback and not machines_own:
            problems.add(at, f"{url.base} would send secrets readable: use https")
        if url.private and not url.loopback and not machines_own and not identity.allow_private:
            problems.add(at, f"{url.host} is a private address: set `allow_private: true` if that is meant")
        return url

    def _secret(self, reference: SecretReference, name: str) -> Secret | None:
        """Read a secret; None where it was not read, so that nothing is said of its content."""
        secret = self._compilation.secret(reference, (*self._path, name))
        return None if isinstance(secret, UnreadSecret) or not secret.reveal() else secret

    def _wrong(self, name: str, message: str) -> Callable[[str], TokenGrant]:
        self._compilation.problems.add((*self._path, name), message)
        return _nothing


def _nothing(scope: str) -> TokenGrant:
    del scope
    return _NOTHING
