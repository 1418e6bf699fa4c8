"""The client applications that have a contract on one proxy, and whether a secret is theirs."""

import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping

from tollway.core.errors import CallerError
from tollway.core.ids import ClientId
from tollway.interfaces.identity import ClientApplication, SignedRequest
from tollway.interfaces.secrets import Secret
from tollway.signing.signed_requests import signer_of
from tollway.snapshot.document import Client, Contract, SecretHash


class Registry:
    """Client applications by id, each with the hashes of its live secrets."""

    __slots__ = ("_clients", "_decoy", "_signing", "_wall_us")

    def __init__(
        self, contracts: Iterable[Contract], clients: Mapping[str, Client], *, wall_us: Callable[[], int]
    ) -> None:
        """Know the clients the contracts name. `wall_us` tells when a secret has expired."""
        self._wall_us = wall_us
        self._clients: dict[str, tuple[ClientApplication, tuple[tuple[bytes, bytes, int], ...]]] = {}
        self._signing: dict[str, Secret] = {}
        for contract in contracts:
            client = clients[contract.client_id]
            application = ClientApplication(
                client_id=ClientId(client.client_id),
                name=client.name,
                business_group=client.business_group,
                sla_tier=contract.sla_tier,
                sla_limits=contract.sla_limits,
                properties=client.properties,
            )
            self._clients[client.client_id] = (application, tuple(map(_unpack, client.secrets)))
            if client.signing_secret is not None:
                self._signing[client.client_id] = client.signing_secret
        self._decoy = (b"decoy", hashlib.sha256(b"decoy").digest(), 0)

    def authenticate(self, client_id: str, secret: str) -> ClientApplication | None:
        """Return the application if the secret is one of its live ones."""
        found = self._clients.get(client_id)
        secret_bytes = secret.encode()
        if found is None:
            # The same work as for a known id, so that time does not tell which ids exist.
            _matches(self._decoy, secret_bytes)
            return None
        application, hashes = found
        for entry in hashes:
            if _matches(entry, secret_bytes) and (entry[2] == 0 or self._wall_us() < entry[2]):
                return application
        return None

    def authenticate_signed(self, request: SignedRequest) -> ClientApplication | CallerError | None:
        """Return the application that signed the request with its signing secret."""
        signer = signer_of(request, self._signing.get)
        return self.find(signer) if isinstance(signer, str) else signer

    def find(self, client_id: str) -> ClientApplication | None:
        """Return the application by its public id alone."""
        found = self._clients.get(client_id)
        return None if found is None else found[0]


def _unpack(entry: SecretHash) -> tuple[bytes, bytes, int]:
    return entry.salt.encode(), bytes.fromhex(entry.sha256), entry.expires_us


def _matches(entry: tuple[bytes, bytes, int], secret: bytes) -> bool:
    return hmac.compare_digest(hashlib.sha256(entry[0] + secret).digest(), entry[1])
