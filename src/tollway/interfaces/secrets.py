"""Where secret values come from, and how they stay out of sight."""

from typing import Protocol


class Secret:
    """A secret value that no repr, log, error or export shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold `value`."""
        self._value = value

    def reveal(self) -> str:
        """Give the value to the one place that needs it: a signer, a hash, a connection."""
        return self._value

    def __repr__(self) -> str:
        """Show that there is a secret, not what it is."""
        return "Secret(********)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare by value; used when two snapshots are compared, never to authenticate."""
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self._value)


class SecretSource(Protocol):
    """Resolves the references of one scheme, such as `env` in `${env:OPENAI_API_KEY}`."""

    scheme: str

    def resolve(self, name: str) -> Secret:
        """Return the secret called `name`.

        Raises:
            LookupError: there is none; the message says where it was looked for, never a value.
        """
        ...
