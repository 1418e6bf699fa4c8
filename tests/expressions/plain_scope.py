"""A scope made of plain fields, for tests: what the gateway's own must look like to expressions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(kw_only=True)
class PlainScope:
    method: str = "POST"
    request_path: str = "/llm-proxy/v1/chat/completions"
    request_uri: str = "/llm-proxy/v1/chat/completions"
    query_string: str = ""
    local_address: str = "127.0.0.1:8081"
    remote_address: str = "127.0.0.1:50000"
    scheme: str = "http"
    version: str = "HTTP/1.1"
    status_code: int | None = None
    sent_headers: Mapping[str, str] = field(default_factory=dict)
    answered_headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    identity: Mapping[str, object] = field(default_factory=dict)
    body: object = None
    left_by_policies: Mapping[str, object] = field(default_factory=dict)
    make_id: Callable[[], str] = lambda: "00000000-0000-4000-8000-000000000001"

    def header(self, name: str, /) -> str | None:
        return self.headers().get(name.lower())

    def headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.sent_headers.items()}

    def response_header(self, name: str, /) -> str | None:
        return self.response_headers().get(name.lower())

    def response_headers(self) -> Mapping[str, str]:
        return {name.lower(): value for name, value in self.answered_headers.items()}

    def query_params(self) -> Mapping[str, str]:
        return self.parameters

    def authentication(self) -> Mapping[str, object]:
        return self.identity

    def payload(self) -> object:
        return self.body

    def variables(self) -> Mapping[str, object]:
        return self.left_by_policies

    def new_id(self) -> str:
        return self.make_id()
