"""What an expression may see of one exchange. The gateway implements it; nothing here does."""

from collections.abc import Mapping
from typing import Protocol


class Scope(Protocol):
    """One exchange, seen through the names that expressions use.

    Every member should be computed when it is asked for, not before: most expressions read one.
    """

    @property
    def method(self) -> str:
        """The request's method, in upper case."""
        ...

    @property
    def request_path(self) -> str:
        """The request's path without its query string."""
        ...

    @property
    def request_uri(self) -> str:
        """The request's target as it was sent, query string included."""
        ...

    @property
    def query_string(self) -> str:
        """All after the `?`; empty when there is none."""
        ...

    @property
    def local_address(self) -> str:
        """The gateway's own address and port."""
        ...

    @property
    def remote_address(self) -> str:
        """The address and port of the peer that connected."""
        ...

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        ...

    @property
    def version(self) -> str:
        """The request's protocol, such as `HTTP/1.1`."""
        ...

    @property
    def status_code(self) -> int | None:
        """The response's status; None before there is one."""
        ...

    def header(self, name: str, /) -> str | None:
        """One request header. Expressions always ask in lower case; callers may ask in any case."""
        ...

    def headers(self) -> Mapping[str, str]:
        """All request headers, names in lower case."""
        ...

    def response_header(self, name: str, /) -> str | None:
        """One response header, under the rule of `header`; None before there is a response."""
        ...

    def response_headers(self) -> Mapping[str, str]:
        """All response headers, names in lower case; empty before there is a response."""
        ...

    def query_params(self) -> Mapping[str, str]:
        """The decoded query parameters."""
        ...

    def authentication(self) -> Mapping[str, object]:
        """`clientId`, `clientName`, `principal` and `properties`, as far as they are known."""
        ...

    def payload(self) -> object:
        """The decoded body, as values that JSON can carry.

        Raises:
            ExpressionError: the body cannot be read.
        """
        ...

    def variables(self) -> Mapping[str, object]:
        """What earlier policies left under `vars`."""
        ...

    def new_id(self) -> str:
        """A fresh UUID in its text form."""
        ...
