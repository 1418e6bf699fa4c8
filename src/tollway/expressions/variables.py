"""The predefined variables, each as a function of the scope."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from tollway.expressions.scope import Scope
from tollway.expressions.values import Value

Read: TypeAlias = Callable[[Scope], Value]

ATTRIBUTES: Final[Mapping[str, Read]] = {
    "headers": lambda scope: scope.headers(),
    "localAddress": lambda scope: scope.local_address,
    "method": lambda scope: scope.method,
    # Not an attribute of the message, but documented key selectors of token limits use it.
    "principal": lambda scope: cast("Value", scope.authentication().get("principal")),
    "queryParams": lambda scope: scope.query_params(),
    "queryString": lambda scope: scope.query_string,
    "remoteAddress": lambda scope: scope.remote_address,
    "requestPath": lambda scope: scope.request_path,
    "requestUri": lambda scope: scope.request_uri,
    "scheme": lambda scope: scope.scheme,
    "statusCode": lambda scope: scope.status_code,
    "version": lambda scope: scope.version,
}
AUTHENTICATION: Final = ("clientId", "clientName", "principal", "properties")

# The casts are the edge: what a scope hands over is taken to be values that JSON can carry, and
# whatever is not meets `Unfit` where it is used.
VARIABLES: Final[Mapping[str, Read]] = {
    "authentication": lambda scope: cast("Value", scope.authentication()),
    "payload": lambda scope: cast("Value", scope.payload()),
    "vars": lambda scope: cast("Value", scope.variables()),
}
