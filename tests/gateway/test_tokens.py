"""Tokens in place of keys: fetched once, renewed in time, never sent when they have ended, never shown."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest
from tests.support.identities import authorized_user, form_of, private_pem, service_account, verified

from tollway.core.errors import SignInFailed
from tollway.gateway.attempt import Attempt
from tollway.gateway.log import Level, Log
from tollway.gateway.tokens import TokenKeeper
from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import TokenGrant
from tollway.signing.client_credentials import client_credentials_grant
from tollway.signing.entra_identity import managed_grant
from tollway.signing.google_identity import read_key_file
from tollway.snapshot.document import Fallback, Retries, Route
from tollway.testing import script
from tollway.testing.clock import FrozenClock
from tollway.testing.script import Answer, Hang
from tollway.testing.upstream import ScriptedUpstream

from .calling import Pools, until
from .serving import CHAT, CHAT_PATH, OK, STREAM, in_time, proxy, route, serving, soon
from .test_forward_proxy import proxying

EVERY_LOOP = True
SECRET = "client-secret-8841"
TOKEN = "ya29.token-that-nobody-may-see"


def token(value: str = TOKEN, *, life: object = 3600, **more: Any) -> Answer:
    return script.reply(json={"access_token": value, "expires_in": life, "token_type": "Bearer", **more})


def grant_at(up: ScriptedUpstream, **changes: Any) -> TokenGrant:
    grant = client_credentials_grant(f"{up.url}/token", "me", Secret(SECRET), scope="llm", authentication="body")
    return msgspec.structs.replace(grant, allow_private=True, **changes)


class Told(Log):
    """A log in memory."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def _write(self, level: Level, message: str, fields: dict[str, object]) -> None:
        self.lines.append({"level": level, "message": message, **fields})


class Kept:
    """A keeper, its endpoint, and a clock that stands still."""

    def __init__(self, up: ScriptedUpstream, pools: Pools, grant: TokenGrant, log: Told, private: bool) -> None:
        self.up = up
        self.clock = FrozenClock()
        self.pools = pools
        self._log = log
        self.keeper = TokenKeeper(
            grant,
            "ours",
            pools.pool(up.port, private=private),
            clock=self.clock,
            spawn=pools._spawn,
            log=log,
            jitter=lambda: 1.0,
        )

    @property
    def ready(self) -> bool:
        return self.keeper.ready(self.clock.monotonic())

    async def sweep(self) -> None:
        """Let it do what is due, to the end."""
        self.keeper.sweep(self.clock.monotonic())
        await in_time(until(lambda: self.keeper._fetching is None))

    async def waits(self, seconds: float = 4.0) -> None:
        await in_time(self.keeper.wait(seconds))

    async def fails(self, seconds: float = 4.0) -> SignInFailed:
        with pytest.raises(SignInFailed) as raised:
            await self.waits(seconds)
        return raised.value

    @property
    def logged(self) -> list[dict[str, Any]]:
        return self._log.lines


Keep = Callable[..., Kept]


@pytest.fixture
async def pools() -> AsyncIterator[Pools]:
    made = Pools()
    yield made
    for pool in made.made:
        pool.close()
    for task in tuple(made.tasks):
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as up:
        yield up


@pytest.fixture
async def keep(endpoint: ScriptedUpstream, pools: Pools) -> AsyncIterator[Keep]:
    log = Told()

    def make(*answers: Answer, grant: TokenGrant | None = None, private: bool = True) -> Kept:
        if answers:
            endpoint.on(*answers)
        return Kept(endpoint, pools, grant or grant_at(endpoint), log, private)

    yield make
    for secret in (SECRET, TOKEN, private_pem().splitlines()[3], "1//refresh"):
        assert secret not in str(log.lines)


# --- asking


async def test_a_token_is_asked_for_as_the_standard_says_and_sent_as_bearer(keep: Keep) -> None:
    kept = keep(token())
    await kept.waits()
    (asked,) = kept.up.requests
    assert (asked.method, asked.path) == ("POST", "/token")
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.header("host") == kept.up.url.removeprefix("http://")
    assert form_of(asked.body) == {
        "grant_type": "client_credentials",
        "scope": "llm",
        "client_id": "me",
        "client_secret": SECRET,
    }
    assert kept.keeper.line == f"authorization: Bearer {TOKEN}\r\n".encode()


async def test_all_who_wait_wait_for_one_request(keep: Keep) -> None:
    kept = keep(token())
    await in_time(asyncio.gather(*(kept.keeper.wait(4) for _ in range(50))))
    assert len(kept.up.requests) == 1
    await kept.waits()
    assert len(kept.up.requests) == 1


async def test_an_identity_service_is_asked_by_get_with_its_header(keep: Keep, endpoint: ScriptedUpstream) -> None:
    grant = managed_grant("https://vendor/.default", url=f"{endpoint.url}/msi/token", header=Secret("h"))
    kept = keep(script.reply(json={"access_token": TOKEN, "expires_on": "1767229200"}), grant=grant)
    await kept.waits()
    (asked,) = kept.up.requests
    assert (asked.method, asked.path, asked.body) == ("GET", "/msi/token", b"")
    assert asked.query == "api-version=2019-08-01&resource=https%3A%2F%2Fvendor"
    assert (asked.header("x-identity-header"), asked.header("metadata")) == ("h", "true")
    kept.clock.advance(3589)
    assert kept.ready
    kept.clock.advance(1)
    assert not kept.ready


async def test_an_assertion_is_made_for_the_moment_it_is_sent(keep: Keep, endpoint: ScriptedUpstream) -> None:
    grant = read_key_file(service_account(), token_url=f"{endpoint.url}/token").grant("cloud")
    kept = keep(token(life=60), grant=grant)
    await kept.waits()
    kept.clock.advance(100)
    await kept.waits()
    times = [verified(form_of(asked.body)["assertion"])[1]["iat"] for asked in kept.up.requests]
    assert times[0] == kept.clock.wall_us() // 1_000_000 - 100
    assert times[1] - times[0] == 100


# --- lives


@pytest.mark.parametrize(
    ("life", "renewed_at", "sent_until"),
    [(3600, 2880, 3590), ("3600", 2880, 3590), (100, 80, 95), (10.0, 8, 9.5), (1, 0.8, 0.95), (10**9, 69_120, 86_390)],
    ids=["an hour", "an hour in text", "minutes", "seconds", "one second", "years"],
)
async def test_a_token_is_renewed_before_it_ends_and_never_sent_after(
    keep: Keep, life: object, renewed_at: float, sent_until: float
) -> None:
    kept = keep(token("first", life=life), script.Answer(before=[Hang()]))
    await kept.waits()
    kept.clock.advance(renewed_at - 0.01)
    await kept.sweep()
    assert len(kept.up.requests) == 1
    kept.clock.advance(0.01)
    kept.keeper.sweep(kept.clock.monotonic())
    assert await kept.up.arrival(2).reached()
    kept.clock.advance(sent_until - renewed_at - 0.01)
    assert kept.ready
    assert b"first" in kept.keeper.line
    kept.clock.advance(0.01)
    assert not kept.ready


async def test_a_token_of_unknown_life_is_taken_for_a_short_one(keep: Keep) -> None:
    kept = keep(script.reply(json={"access_token": TOKEN}))
    await kept.waits()
    kept.clock.advance(289)
    assert kept.ready
    kept.clock.advance(2)
    assert not kept.ready


async def test_its_life_is_counted_from_before_it_was_asked_for(keep: Keep) -> None:
    kept = keep(script.Answer(before=[Hang()]), token(life=100))
    kept.keeper.sweep(kept.clock.monotonic())
    assert await kept.up.arrival(1).reached()
    kept.clock.advance(50)  # the first request took so long; the second begins now
    begun = kept.clock.monotonic()
    kept.keeper._fetching.cancel()  # type: ignore[union-attr]
    await in_time(until(lambda: kept.keeper._fetching is None))
    await kept.waits()
    assert kept.keeper._ends_at == begun + 95


async def test_a_renewal_takes_over_without_a_gap(keep: Keep) -> None:
    kept = keep(token("first", life=100), token("second", life=100))
    await kept.waits()
    kept.clock.advance(80)
    await kept.sweep()
    assert kept.ready
    assert b"second" in kept.keeper.line
    kept.clock.advance(79)
    await kept.sweep()
    assert len(kept.up.requests) == 2


async def test_while_the_endpoint_is_down_a_token_serves_out_its_life(keep: Keep) -> None:
    kept = keep(token(life=100), script.failure(503))
    await kept.waits()
    for _ in range(14):
        kept.clock.advance(1)
        kept.clock.advance(80 if kept.clock.monotonic() < 1050 else 0)
        await kept.sweep()
        assert kept.ready
    assert kept.logged[-1]["still_signed_in"] is True
    kept.clock.advance(5)
    assert not kept.ready


# --- failures


LONG = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJtZSJ9.c2lnbmF0dXJl"
REFUSALS: dict[str, tuple[Answer, str, dict[str, Any]]] = {
    "a wrong secret": (
        script.reply(
            401,
            json={
                "error": "invalid_client",
                "error_description": f"AADSTS7000215: Invalid client secret provided: {SECRET} for {LONG}.",
                "error_codes": [7000215, "x"],
            },
        ),
        "the token endpoint answered with status 401",
        {
            "status": 401,
            "error": "invalid_client",
            "explanation": "AADSTS7000215: Invalid client secret provided: … for …",
            "error_codes": [7000215],
        },
    ),
    "a bad grant": (
        script.reply(400, json={"error": "invalid_grant", "error_description": "Invalid JWT Signature."}),
        "the token endpoint answered with status 400",
        {"error": "invalid_grant", "explanation": "Invalid JWT Signature."},
    ),
    "an error of another shape": (
        script.reply(403, json={"error": {"code": 403, "message": f"no {SECRET}"}}),
        "the token endpoint answered with status 403",
        {"status": 403},
    ),
    "down": (script.failure(503), "the token endpoint answered with status 503", {"status": 503}),
    "a page": (script.reply(502, body=b"<html>bad gateway</html>"), "answered with status 502", {"status": 502}),
    "a redirect": (
        script.reply(302, headers=[("location", "http://127.0.0.1:1/token")]),
        "answered with status 302",
        {"status": 302},
    ),
    "not JSON": (script.reply(body=b"ok"), "is not the JSON that RFC 6749 promises", {}),
    "a list": (script.reply(json=[TOKEN]), "is not the JSON that RFC 6749 promises", {}),
    "deep": (script.reply(body=b'{"x":' + b"[" * 9000), "is not the JSON that RFC 6749 promises", {}),
    "no token": (script.reply(json={"expires_in": 3600}), "holds no access_token", {}),
    "a token of another type": (script.reply(json={"access_token": 5}), "is not the JSON", {}),
    "a header in the token": (token(f"{TOKEN}\r\nx-evil: 1"), "holds no access_token that can be sent", {}),
    "a space in the token": (token("a b"), "holds no access_token that can be sent", {}),
    "not ASCII": (token("tökén"), "holds no access_token that can be sent", {}),
    "not Bearer": (token(token_type="mac"), "not sent as Bearer", {}),
    "ended already": (token(life=0), "has ended already", {}),
    "a negative life": (token(life=-5), "has ended already", {}),
    "a life in words": (token(life="soon"), "does not say in seconds", {}),
    "no number": (token(life="nan"), "has ended already", {}),
    "too large": (script.reply(body=b"x" * 70_000), "is larger than", {}),
    "cut": (script.cut_after(token(), 9), "closed the connection in the middle", {}),
    "no HTTP": (script.raw("hello"), "is not well-formed HTTP", {}),
    "closed at once": (script.raw(after="close"), "the token endpoint closed the connection", {}),
}


@pytest.mark.parametrize(("answer", "message", "fields"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_is_told_to_the_log_and_not_to_callers(
    keep: Keep, answer: Answer, message: str, fields: dict[str, Any]
) -> None:
    kept = keep(answer)
    error = await kept.fails()
    assert (error.status, error.code, error.fault) == (503, "sign_in_failed", "upstream")
    assert error.message.startswith("the gateway could not sign in to the provider of this route")
    (line,) = [one for one in kept.logged if one["level"] == "error"]
    assert message in line["message"]
    assert "127.0.0.1" not in line["message"]
    assert (line["credential"], line["still_signed_in"]) == ("ours", False)
    assert {name: line.get(name) for name in fields} == fields


async def test_an_endpoint_that_cannot_be_reached_is_a_refusal_too(keep: Keep, pools: Pools) -> None:
    kept = keep()
    kept.keeper._pool = pools.pool(1)
    await kept.fails()
    assert kept.logged[-1]["message"].startswith("no token could be had: no connection to the token endpoint")


async def test_an_endpoint_at_a_private_address_is_not_asked_unless_that_is_allowed(keep: Keep) -> None:
    kept = keep(token(), private=False)
    await kept.fails()
    assert kept.up.connections_accepted == 0
    assert "private addresses only" in kept.logged[-1]["message"]


async def test_failures_are_repeated_ever_more_slowly(keep: Keep) -> None:
    kept = keep(script.failure(500))
    rests: list[float] = []
    for number in range(1, 10):
        await kept.fails()
        assert len(kept.up.requests) == number
        error = await kept.fails()  # while it rests, callers are told at once
        assert len(kept.up.requests) == number
        assert error.retry_after_seconds is not None
        rests.append(round(error.retry_after_seconds, 3))
        kept.clock.advance(error.retry_after_seconds)
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, 60]


async def test_after_a_success_failures_begin_anew(keep: Keep) -> None:
    kept = keep(script.failure(500), script.failure(500), token(life=10), script.failure(500))
    await kept.fails()
    kept.clock.advance(1)
    await kept.fails()
    kept.clock.advance(2)
    await kept.waits()
    kept.clock.advance(10)
    assert (await kept.fails()).retry_after_seconds == 1


async def test_who_waits_leaves_a_slow_endpoint_in_time_and_asks_it_no_second_time(keep: Keep) -> None:
    kept = keep(script.Answer(before=[Hang()]))
    kept.keeper.sweep(kept.clock.monotonic())
    assert await kept.up.arrival(1).reached()
    for _ in range(2):
        assert (await kept.fails(0.02)).code == "sign_in_failed"
        assert kept.keeper._fetching is not None
        assert len(kept.up.requests) == 1


async def test_an_endpoint_that_never_answers_is_given_up(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tollway.gateway.tokens.ANSWER_SECONDS", 1.0)
    kept = keep(script.Answer(before=[Hang()]))
    kept.keeper.sweep(kept.clock.monotonic())
    assert await kept.up.arrival(1).reached()
    await kept.fails()
    assert kept.logged[-1]["message"].startswith("no token could be had: the token endpoint did not answer within")
    assert await kept.up.requests[0].client_left.reached()


async def test_a_worker_that_ends_meanwhile_leaves_nothing_behind(keep: Keep, pools: Pools) -> None:
    kept = keep(script.Answer(before=[Hang()]))
    kept.keeper.sweep(0)
    assert await kept.up.arrival(1).reached()
    for task in tuple(pools.tasks):
        task.cancel()
    await asyncio.gather(*pools.tasks, return_exceptions=True)
    assert await kept.up.requests[0].client_left.reached()
    assert kept.keeper._fetching is None


# --- clocks


def dated(answer: Answer, kept: Kept, seconds: int) -> Answer:
    at = datetime.fromtimestamp(kept.clock.wall_us() / 1e6 + seconds, UTC)
    return msgspec.structs.replace(answer, headers=[*answer.headers, ("date", format_datetime(at, usegmt=True))])


@pytest.mark.parametrize("seconds", [-7200, 90, 5 * 3600])
async def test_a_clock_that_is_wrong_is_noticed_and_the_endpoints_is_used(
    keep: Keep, endpoint: ScriptedUpstream, seconds: int
) -> None:
    grant = read_key_file(service_account(), token_url=f"{endpoint.url}/token").grant("cloud")
    kept = keep(grant=grant)
    endpoint.on(dated(script.reply(400, json={"error": "invalid_grant"}), kept, seconds), token())
    await kept.waits()
    times = [verified(form_of(asked.body)["assertion"])[1]["iat"] for asked in endpoint.requests]
    assert times[1] - times[0] == seconds
    (line,) = [one for one in kept.logged if one["level"] == "warning"]
    assert line["seconds"] == seconds


@pytest.mark.parametrize("date", ["", "not a date", "Wed, 31 Feb 2026 00:00:00 GMT"])
async def test_a_refusal_without_a_usable_date_is_one(keep: Keep, endpoint: ScriptedUpstream, date: str) -> None:
    grant = read_key_file(service_account(), token_url=f"{endpoint.url}/token").grant("cloud")
    kept = keep(script.reply(400, json={"error": "invalid_grant"}, headers=[("date", date)]), grant=grant)
    await kept.fails()
    assert len(endpoint.requests) == 1


async def test_clocks_that_agree_explain_no_refusal(keep: Keep, endpoint: ScriptedUpstream) -> None:
    grant = read_key_file(service_account(), token_url=f"{endpoint.url}/token").grant("cloud")
    kept = keep(grant=grant)
    endpoint.on(dated(script.reply(400, json={"error": "invalid_grant"}), kept, 20))
    await kept.fails()
    assert len(endpoint.requests) == 1


async def test_a_refresh_has_no_time_in_it_that_could_be_wrong(keep: Keep, endpoint: ScriptedUpstream) -> None:
    grant = read_key_file(authorized_user(), token_url=f"{endpoint.url}/token").grant("")
    kept = keep(grant=grant)
    endpoint.on(dated(script.reply(400, json={"error": "invalid_grant"}), kept, 7200))
    await kept.fails()
    assert len(endpoint.requests) == 1


# --- refused by the provider


async def test_a_token_the_provider_refuses_is_dropped_once(keep: Keep) -> None:
    kept = keep(token("first"), token("second"), token("third"))
    await kept.waits()
    kept.clock.advance(5)
    sent_at = kept.clock.monotonic()
    assert kept.keeper.refused(sent_at)
    assert not kept.ready
    assert kept.keeper.refused(sent_at)  # another call of the same moment: the next token is on its way
    kept.clock.advance(1)
    await kept.waits()
    assert b"second" in kept.keeper.line
    assert kept.keeper.refused(sent_at)  # this one was sent with the first
    kept.clock.advance(1)
    assert not kept.keeper.refused(kept.clock.monotonic())  # a fresh token is not what is wrong
    assert kept.ready
    assert len(kept.up.requests) == 2
    kept.clock.advance(60)
    assert kept.keeper.refused(kept.clock.monotonic())
    await kept.waits()
    assert b"third" in kept.keeper.line


# --- in a worker


def signed_in(up: ScriptedUpstream, endpoint: ScriptedUpstream, **settings: Any) -> Route:
    return route(up, **{"keys": (), "token": grant_at(endpoint), **settings})


def bearers(up: ScriptedUpstream) -> list[str]:
    return [str(asked.header("authorization")) for asked in up.requests if asked.path != "/token"]


def asked(endpoint: ScriptedUpstream) -> int:
    return len(endpoint.requests)


async def test_a_call_is_sent_with_the_token_and_all_routes_share_it(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token())
    async with ScriptedUpstream() as up:
        up.on(OK)
        routes = (signed_in(up, endpoint), signed_in(up, endpoint, name="other", target_model="n"))
        async with serving(proxy(*routes), proxy(*routes, name="q", base_path="/q")) as served:
            assert (await served.ask()).status == 200
            assert (await served.ask(f"/q{CHAT_PATH}")).status == 200
            assert (await served.stream()).status == 502  # it is not a stream, but it was asked for
        assert bearers(up) == [f"Bearer {TOKEN}"] * len(up.requests)
        assert asked(endpoint) == 1
        assert TOKEN not in served._log.getvalue()
        assert SECRET not in served._log.getvalue()


async def test_it_is_there_before_the_first_call(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token())
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        (keeper,) = served.worker._renewed
        await soon(lambda: keeper.ready(served.worker.clock.monotonic()))
        assert up.requests == []


async def test_streams_are_sent_with_it_too(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token())
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        up.on(STREAM)
        assert (await served.stream()).body.endswith(b"[DONE]\n\n")
        assert bearers(up) == [f"Bearer {TOKEN}"]


async def test_without_a_token_the_caller_is_told_in_its_own_way_and_nothing_is_sent(
    endpoint: ScriptedUpstream,
) -> None:
    endpoint.on(script.reply(401, json={"error": "invalid_client"}))
    there = proxy(signed_in(ScriptedUpstream(), endpoint), retries=Retries(attempts=0))
    async with serving(there) as served:
        answer = await served.ask()
        assert answer.status == 503
        error = msgspec.json.decode(answer.body)["error"]
        assert error["code"] == "sign_in_failed"
        assert "provider of this route" in error["message"]
        assert answer.headers.get("retry-after")
        assert (served.record.status, served.record.error, served.record.outcome) == (503, "sign_in_failed", "error")
        assert [line["credential"] for line in served.complaints()] == ["ours"] * asked(endpoint)


async def test_another_route_takes_over_and_the_upstream_itself_stays_well(endpoint: ScriptedUpstream) -> None:
    endpoint.on(script.failure(500))
    async with ScriptedUpstream() as up:
        up.on(OK)
        routes = (signed_in(up, endpoint), route(up, name="other", match_headers={"x-never": "1"}))
        there = proxy(*routes, fallback=Fallback(route="other"))
        async with serving(there) as served:
            for _ in range(15):
                assert (await served.ask()).status == 200
            assert served.complaints()
            assert all(upstream.healthy for upstream in served.worker.gauges().upstreams)
        assert {record.route for record in served.records} == {"main", "other"}


async def test_a_provider_that_refuses_a_token_is_asked_again_with_a_fresh_one(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token("old"), token("new"))
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        up.on(script.failure(401), OK)
        answer = await served.ask()
        assert answer.status == 200
        assert bearers(up) == ["Bearer old", "Bearer new"]
        assert [record.status for record in served.records] == [401, 200]


async def test_but_once_only(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token("old"), token("new"))
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        up.on(script.failure(401))
        answer = await served.ask()
        assert answer.status == 401
        assert b"gateway's credential" in answer.body
        assert len(up.requests) == 2
        assert (await served.ask()).status == 401
        assert len(up.requests) == 3
        assert asked(endpoint) == 2


async def test_a_caller_that_leaves_while_it_waits_is_let_go(endpoint: ScriptedUpstream) -> None:
    endpoint.on(script.Answer(before=[Hang()]))
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        call = await served.send()
        assert await endpoint.arrival(1).reached()
        await call.leave()
        await served.worker.drain(0.0)
        await soon(lambda: bool(served.records))
        assert (served.record.outcome, served.record.status) == ("cancelled", 499)
        assert up.requests == []


async def test_a_reload_keeps_the_token_of_an_unchanged_credential_and_no_other(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token("old"), token("new"))
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        up.on(OK)
        await served.ask()
        await served.publish(proxy(signed_in(up, endpoint, weight=5)))
        await served.ask()
        changed = msgspec.structs.replace(grant_at(endpoint), secret_form=(("client_secret", Secret("renewed")),))
        await served.publish(proxy(signed_in(up, endpoint, token=changed)))
        await served.ask()
        assert bearers(up) == ["Bearer old", "Bearer old", "Bearer new"]
        assert len(served.worker._tokens) == 1


async def test_the_endpoint_is_asked_through_the_routes_forward_proxy_but_for_a_machines_own(
    endpoint: ScriptedUpstream,
) -> None:
    endpoint.on(token())
    async with ScriptedUpstream() as up, proxying() as forward:
        up.on(OK)
        through = f"http://127.0.0.1:{forward.port}"
        named = msgspec.structs.replace(grant_at(endpoint), url=f"http://upstream.test:{endpoint.port}/token")
        one = signed_in(up, endpoint, token=named, proxy_url=through)
        two = signed_in(up, endpoint, token=grant_at(endpoint, direct=True), proxy_url=through)
        async with serving(proxy(one), proxy(two, name="q", base_path="/q")) as served:
            assert (await served.ask()).status == 200
            assert (await served.ask(f"/q{CHAT_PATH}")).status == 200
        targets = [head.split(b" ")[1] for head in forward.heads]
        assert targets.count(b"upstream.test:%d" % endpoint.port) == 1
        assert b"127.0.0.1:%d" % endpoint.port not in targets
        assert asked(endpoint) == 2


async def test_calls_under_load_never_carry_a_token_that_has_ended(
    endpoint: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = 0.4
    endpoint.on(*(token(f"t{number}", life=life) for number in range(200)))
    left: list[float] = []
    send = Attempt.send

    def watched(attempt: Attempt, payload: bytes, now: float) -> None:
        keeper = attempt.target.tokens
        assert keeper is not None
        assert keeper.line in payload
        left.append(keeper._ends_at + life * 0.05 - now)  # what is kept back is still its life
        send(attempt, payload, now)

    monkeypatch.setattr(Attempt, "send", watched)
    async with ScriptedUpstream() as up, serving(proxy(signed_in(up, endpoint))) as served:
        up.on(OK)

        async def caller() -> None:
            while len(set(bearers(up))) < 4:
                assert (await served.ask()).status == 200

        await asyncio.gather(*(caller() for _ in range(4)))
        assert min(left) > 0


async def test_a_server_with_surfaces_is_signed_in_to_once(endpoint: ScriptedUpstream) -> None:
    endpoint.on(token())
    async with ScriptedUpstream() as up:
        up.on(OK)
        there = signed_in(up.url, endpoint, provider="vertex", target_model=None)  # type: ignore[arg-type]
        async with serving(proxy(there, strategy="weighted")) as served:
            assert (await served.ask(body={**CHAT, "model": "meta/llama-9"})).status == 200
            assert (await served.ask(body={**CHAT, "model": "mistral/m-9"})).status == 200
        assert bearers(up) == [f"Bearer {TOKEN}"] * 2
        assert asked(endpoint) == 1
