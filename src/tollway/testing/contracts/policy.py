"""What every policy must do, and the case files that say what it does.

Inherit `PolicyContract`, name the class in `policy`, and put cases into
`tests/golden/policies/<id>/*.yaml`. A case is one call, or several that share the policy::

    config: {keySelector: "#[attributes.headers['client_id']]", maximumTokens: 100, ...}
    clients: [{client_id: app, secret: hush}]
    calls:
      - request: {headers: {client_id: app}}
        usage: {input_fresh: 90, output_text: 20}
        expect: {response_headers: {x-token-remaining: ["0"]}}
      - request: {headers: {client_id: app}}
        after_seconds: 1
        expect: {status: 429, code: rate_limit_exceeded}
"""

# ruff: noqa: S101, D102 - a suite is made of assertions, and a test's name is its sentence

import importlib
import re
from pathlib import Path
from typing import Any, ClassVar, cast, get_args

import msgspec
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.core.errors import TollwayError
from tollway.core.ids import ClientId
from tollway.core.usage import NO_USAGE, Usage
from tollway.gateway.chain import ShadowView
from tollway.interfaces.identity import ClientApplication, TokenLimit
from tollway.interfaces.policy import Authentication, Category, Policy, PolicyExchange, ResponseEvent
from tollway.interfaces.usage_record import Outcome, UsageRecord
from tollway.testing.clock import FrozenClock
from tollway.testing.exchange import FakeAttempt, FakeClients, FakeExchange, policy_context

AnyPolicy = Policy[Any]


class CaseClient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A client application with a contract, and its secret in plain text."""

    client_id: str
    secret: str = ""
    name: str = ""
    sla_tier: str = ""
    sla_limits: tuple[TokenLimit, ...] = ()
    properties: dict[str, str] = {}

    def application(self) -> ClientApplication:
        """What a registry gives for it."""
        return ClientApplication(
            client_id=ClientId(self.client_id),
            name=self.name or self.client_id,
            sla_tier=self.sla_tier,
            sla_limits=self.sla_limits,
            properties=self.properties,
        )


class CaseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller sends; `headers` may be a list of pairs, for repeats."""

    method: str = "POST"
    path: str = "/v1/chat/completions"
    query: str = ""
    headers: dict[str, str] | list[tuple[str, str]] = {}
    body: str = ""
    client_address: str = "192.0.2.1"
    model: str = "openai/gpt-5"
    stream: bool = False
    input_tokens: int = 10
    output_limit: int | None = None
    identity: str = ""
    """Client id of an application that an earlier policy identified."""


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comes of it. What is not said is not looked at, but a refusal is always expected in words."""

    status: int | None = None
    """Status of the refusal; none when the call passes."""
    code: str | None = None
    message: str | None = None
    """A regular expression found in the message."""
    openai_body: dict[str, Any] | None = None
    headers: dict[str, str] | None = None
    """Headers of the refusal, lower case; exactly these."""
    retry_after_seconds: float | None = None
    should_retry: bool | None = None
    client: str | None = None
    principal: str | None = None
    properties: dict[str, Any] | None = None
    upstream_headers: dict[str, list[str]] | None = None
    response_headers: dict[str, list[str]] | None = None
    """Those named must be sent so; an empty list: not at all."""


class CaseCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One call, all its phases."""

    request: CaseRequest = CaseRequest()
    after_seconds: float = 0
    """Since the call before it."""
    takes_seconds: float = 0
    """From its request phase to its response phase."""
    usage: Usage | None = None
    """What the provider reports, known before the head of a whole answer and at the end of a stream."""
    response_fields: dict[str, str] = {}
    outcome: Outcome = "ok"
    operation: str = "conversation"
    expect: Expected = Expected()


class PolicyCase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One case file."""

    config: dict[str, Any] = {}
    clients: tuple[CaseClient, ...] = ()
    invalid: str | None = None
    """The settings are refused with a message in which this regular expression is found."""
    calls: tuple[CaseCall, ...] = ()


def read_case(file: Path) -> PolicyCase:
    """Read one case; `request` and `expect` at the top level are short for one call."""
    written = cast("dict[str, Any]", yaml.safe_load(file.read_text("utf-8")))
    shared = {name: written.pop(name) for name in ("config", "clients", "invalid") if name in written}
    calls = written.pop("calls", None)
    if calls is None:
        calls = [written] if written else []
    elif written:
        raise ValueError(f"{file.name}: {', '.join(written)} beside calls; move them into a call")
    return msgspec.convert({**shared, "calls": calls}, PolicyCase)


def run_case(policy_type: type[AnyPolicy], case: PolicyCase) -> None:
    """Do what the case says, and assert that it comes out as it says."""
    clock = FrozenClock()
    context = policy_context(clock=clock, clients=[(client.application(), client.secret) for client in case.clients])
    if case.invalid is not None:
        with pytest.raises((ValueError, msgspec.ValidationError), match=case.invalid):
            policy_type(msgspec.convert(case.config, policy_type.config_type), context)
        return
    policy = policy_type(msgspec.convert(case.config, policy_type.config_type), context)
    applications = FakeClients([(client.application(), client.secret) for client in case.clients])
    for call in case.calls:
        clock.advance(call.after_seconds)
        exchange = _exchange(call, clock, applications)
        refusal = _run_phases(policy, exchange, call, clock)
        _compare(call.expect, exchange, refusal)


def _exchange(call: CaseCall, clock: FrozenClock, applications: FakeClients) -> FakeExchange:
    request = call.request
    exchange = FakeExchange(
        method=request.method,
        path=request.path,
        query=request.query,
        headers=request.headers,
        body=request.body.encode(),
        client_address=request.client_address,
        requested_model=request.model,
        stream=request.stream,
        input_tokens=request.input_tokens,
        output_limit=request.output_limit,
        now_us=clock.wall_us(),
    )
    exchange.response_fields = call.response_fields
    if request.identity:
        client = applications.find(request.identity)
        assert client is not None, f"no client '{request.identity}' in this case"
        exchange.identity = Authentication(client=client, principal=request.identity)
    return exchange


def _run_phases(policy: AnyPolicy, exchange: FakeExchange, call: CaseCall, clock: FrozenClock) -> TollwayError | None:
    """Run the phases in their order, as the chain does for a policy that needs no waiting."""
    refusal = cast("TollwayError | None", policy.request(exchange))
    if refusal is None:
        refusal = cast("TollwayError | None", policy.upstream(exchange, FakeAttempt()))
    clock.advance(call.takes_seconds)
    exchange.now_us = clock.wall_us()
    if refusal is None and call.outcome in {"ok", "cancelled", "cut"}:
        exchange.usage = None if call.request.stream else call.usage
        exchange.status_code = 200
        refusal = cast("TollwayError | None", policy.response(exchange, 200))
    policy.end(exchange, _record(call, refusal))
    return refusal


def _record(call: CaseCall, refusal: TollwayError | None) -> UsageRecord:
    return UsageRecord(
        id="record",
        call_id="call",
        started_us=0,
        operation=call.operation,
        outcome="refused" if refusal is not None else call.outcome,
        usage=NO_USAGE if refusal is not None or call.usage is None else call.usage,
    )


def _compare(expect: Expected, exchange: FakeExchange, refusal: TollwayError | None) -> None:
    if expect.status is None:
        assert refusal is None, f"refused: {refusal}"
    else:
        assert refusal is not None, "not refused"
        _compare_refusal(expect, refusal)
    identity = exchange.identity
    found = {
        "client": None if identity is None or identity.client is None else identity.client.client_id,
        "principal": None if identity is None else identity.principal,
        "properties": None if identity is None else dict(identity.properties),
    }
    for name, value in found.items():
        wanted = getattr(expect, name)
        assert wanted is None or value == wanted, name
    if expect.upstream_headers is not None:
        assert exchange.upstream_headers == expect.upstream_headers
    for name, values in (expect.response_headers or {}).items():
        assert exchange.response_headers_sent.get(name, []) == values, name


def _compare_refusal(expect: Expected, refusal: TollwayError) -> None:
    assert refusal.status == expect.status
    assert expect.code in {None, refusal.code}
    assert expect.message is None or re.search(expect.message, refusal.message), refusal.message
    assert expect.openai_body is None or refusal.openai_body == expect.openai_body
    sent = {name.lower(): value for name, value in refusal.headers}
    assert expect.headers is None or sent == expect.headers
    assert expect.retry_after_seconds in {None, refusal.retry_after_seconds}
    assert expect.should_retry in {None, refusal.should_retry}


_HEADER_VALUES = st.one_of(
    st.sampled_from(["app", "hush", "Bearer app:hush", "Basic YXBwOmh1c2g=", "Basic ???", "Bearer", ":", "a, b", ""]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40),
)
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["client_id", "client_secret", "authorization", "x-api-key", "apikey", "cookie", "x-other"]),
        _HEADER_VALUES,
    ),
    max_size=5,
)


class PolicyContract:
    """The suite."""

    policy: ClassVar[type[AnyPolicy]]
    config: ClassVar[dict[str, Any]] = {}
    """Settings with which the policy does something."""
    cases: ClassVar[str] = "tests/golden/policies"
    """Folder of folders of cases, from the project's root."""

    def make(self) -> AnyPolicy:
        """Make the policy with `config`, among clients of which one is `app` with secret `hush`."""
        client = CaseClient(client_id="app", secret="hush")  # noqa: S106 - made up
        context = policy_context(clients=[(client.application(), client.secret)])
        return self.policy(msgspec.convert(self.config, self.policy.config_type), context)

    def test_it_is_named_after_its_file(self) -> None:
        module = importlib.import_module(self.policy.__module__)
        assert module.POLICY is self.policy
        assert self.policy.__module__.rpartition(".")[2] == self.policy.id.replace("-", "_")
        assert re.fullmatch(r"[a-z][a-z0-9-]*", self.policy.id)

    def test_it_describes_itself_for_docs_and_forms(self) -> None:
        assert self.policy.title
        assert self.policy.summary.endswith(".")
        assert self.policy.category in get_args(Category)
        assert importlib.import_module(self.policy.__module__).__doc__

    def test_its_settings_are_frozen_strict_and_described(self) -> None:
        schema = msgspec.json.schema(self.policy.config_type)
        for name, definition in schema.get("$defs", {}).items():
            if definition.get("type") == "object":
                assert definition.get("additionalProperties") is False, f"{name} takes unknown settings"
                for field, described in definition["properties"].items():
                    assert described.get("description", "").endswith("."), f"{name}.{field} needs a sentence"
        assert self.policy.config_type.__struct_config__.frozen

    def test_every_case_comes_out_as_written(self, subtests: pytest.Subtests, request: pytest.FixtureRequest) -> None:
        folder = request.config.rootpath / self.cases / self.policy.id
        files = sorted(folder.glob("*.yaml"))
        assert files, f"no cases in {folder}"
        for file in files:
            with subtests.test(file.stem):
                run_case(self.policy, read_case(file))

    def test_no_request_makes_it_fail(self) -> None:
        policy = self.make()

        @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
        @given(headers=_HEADERS, body=st.binary(max_size=60), stream=st.booleans())
        def run(headers: list[tuple[str, str]], body: bytes, stream: bool) -> None:  # noqa: FBT001
            exchange = FakeExchange(headers=headers, body=body, stream=stream)
            refusal = _run_phases(policy, exchange, CaseCall(request=CaseRequest(stream=stream)), FrozenClock())
            event = policy.event(exchange, ResponseEvent(b"{}"))
            assert event is None or isinstance(event, ResponseEvent | TollwayError)
            assert refusal is None or 400 <= refusal.status <= 599
            sent = [*exchange.upstream_headers.values(), *exchange.response_headers_sent.values()]
            sent.append([value for _, value in refusal.headers] if refusal is not None else [])
            assert not any(character in value for values in sent for value in values for character in "\r\n\0")

        run()

    def test_in_shadow_it_changes_nothing(self) -> None:
        policy = self.make()
        headers = {"client_id": "app", "client_secret": "hush"}
        exchange = FakeExchange(headers=headers, body=b"{}")
        view = cast("PolicyExchange", ShadowView(exchange))
        policy.request(view)
        policy.response(view, 200)
        policy.end(view, _record(CaseCall(), None))
        assert exchange.identity is None
        assert exchange.upstream_headers == {}
        assert exchange.response_headers_sent == {}
