"""The tokens that are sent to providers in place of keys: fetched before they are needed, one a credential.

Rules of this file:
- A call finds a token ready, or waits for the one request that is under way; there is never a second.
- A token is renewed at four fifths of its life, so that only a token endpoint that is down for the rest
  of it is felt by callers. One that has ended is never sent.
- What the endpoint says goes into the log, not to callers; secrets, and what may be one, go nowhere.
"""

import asyncio
from collections.abc import Callable, Coroutine
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode, urlsplit

import msgspec

from tollway.core.errors import InternalError, SignInFailed, UpstreamError
from tollway.core.json_value import NOT_JSON
from tollway.gateway.answer_headers import header_line
from tollway.gateway.log import Log
from tollway.interfaces.clock import Clock
from tollway.interfaces.token_grant import TokenGrant
from tollway.signing.assertions import signed
from tollway.signing.bearer import Bearer

if TYPE_CHECKING:
    from tollway.gateway.upstream import Pool, UpstreamConnection

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 30.0
"""How long one request may take as a whole; callers do not wait that long."""
RENEWED_AT: Final = 0.8
"""Share of a token's life after which the next one is fetched."""
_SHARE_KEPT_BACK: Final = 0.05
_LONGEST_KEPT_BACK_SECONDS: Final = 10.0
"""A token is not sent in its last moments: it must still hold when the provider looks at it."""
_LIFE_SECONDS: Final = 300.0
"""RFC 6749, section 5.1 only recommends `expires_in`: a token without it is taken for a short one."""
_LONGEST_LIFE_SECONDS: Final = 86_400.0
_FIRST_REST_SECONDS: Final = 1.0
_LONGEST_REST_SECONDS: Final = 60.0
_DROPPED_SECONDS: Final = 60.0
"""A token is dropped for a refusal once in this time: another one is refused for another reason."""
_SKEW_SECONDS: Final = 30.0
_MAX_BYTES: Final = 65_536
_LONGEST_WORD: Final = 36
"""Words that are longer are kept out of the log: no explanation has them, but keys and tokens are."""
_LONGEST_EXPLANATION: Final = 300

Spawn = Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class _Refused(Exception):
    """No token came; the fields are for the log, and `skewed` when the two clocks disagree."""

    def __init__(self, message: str, *, skewed: bool = False, **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.skewed = skewed
        self.fields = fields


class _Reply(msgspec.Struct):
    """What is wanted of a token endpoint's answer. RFC 6749, sections 5.1 and 5.2."""

    access_token: str = ""
    token_type: str = ""
    expires_in: int | float | str | None = None
    expires_on: int | float | str | None = None
    """Seconds since the epoch; machines' identity services say this, as text."""
    error: object = None
    error_description: object = None
    error_codes: object = None


_decode: Final = msgspec.json.Decoder(_Reply).decode


class TokenKeeper:
    """The token of one credential in one worker."""

    __slots__ = (
        "_clock",
        "_dropped_at",
        "_due",
        "_ends_at",
        "_failures",
        "_fetching",
        "_jitter",
        "_log",
        "_name",
        "_obtained_at",
        "_pool",
        "_skew_seconds",
        "_spawn",
        "grant",
        "line",
    )

    def __init__(
        self,
        grant: TokenGrant,
        name: str,
        pool: "Pool",
        *,
        clock: Clock,
        spawn: Spawn,
        log: Log,
        jitter: Callable[[], float],
    ) -> None:
        """Begin without a token; `sweep` fetches the first.

        Args:
            grant: how it is asked for.
            name: the credential's, for the log.
            pool: connections to the token endpoint.
            clock: monotonic time for lives, wall time for assertions.
            spawn: starts a task that the worker keeps track of.
            log: where failures are told.
            jitter: a fresh random number from 0 to 1.
        """
        self.grant = grant
        self._name = name
        self._pool = pool
        self._clock = clock
        self._spawn = spawn
        self._log = log
        self._jitter = jitter
        self.line = b""
        """The header line with the newest token; look at `ready` before."""
        self._obtained_at = 0.0
        self._ends_at = 0.0
        self._due = 0.0
        """When the next request may be made: the renewal, or the end of the rest after a failure."""
        self._failures = 0
        self._dropped_at = float("-inf")
        self._skew_seconds = 0
        self._fetching: asyncio.Task[None] | None = None

    def ready(self, now: float) -> bool:
        """Tell whether there is a token that may be sent."""
        return now < self._ends_at

    def sweep(self, now: float) -> None:
        """Fetch the next token when it is due."""
        if self._fetching is None and now >= self._due:
            self._fetching = self._spawn(self._fetch())

    async def wait(self, seconds: float) -> None:
        """Wait for a token, `seconds` at most.

        Raises:
            SignInFailed: there is none.
        """
        self.sweep(self._clock.monotonic())
        fetching = self._fetching
        if fetching is not None:
            await asyncio.wait({fetching}, timeout=seconds)
        now = self._clock.monotonic()
        if not self.ready(now):
            raise SignInFailed(
                "the gateway could not sign in to the provider of this route; if it lasts, tell the gateway's operator",
                retry_after_seconds=max(1.0, self._due - now),
            )

    def refused(self, sent_at: float) -> bool:
        """Hear that the provider refused the token of a request sent at `sent_at`.

        Returns whether there is a newer token, or one is being fetched, so that a repeat may help.
        """
        if sent_at < self._obtained_at or not self.line:
            return True
        now = self._clock.monotonic()
        if now - self._dropped_at < _DROPPED_SECONDS:
            return False
        self._log.warning("a provider refused a token: another is fetched", credential=self._name)
        self._dropped_at = now
        self.line = b""
        self._ends_at = self._due = 0.0
        self.sweep(now)
        return True

    async def _fetch(self) -> None:
        try:
            try:
                await self._ask()
            except _Refused as error:
                if not error.skewed:
                    raise
                await self._ask()
        except _Refused as error:
            self._rest(error)
        finally:
            self._fetching = None

    def _rest(self, error: _Refused) -> None:
        rest = min(_FIRST_REST_SECONDS * 2.0**self._failures, _LONGEST_REST_SECONDS) * (0.5 + 0.5 * self._jitter())
        self._failures = min(self._failures + 1, 16)
        now = self._clock.monotonic()
        self._due = now + rest
        fields = {**error.fields, "still_signed_in": self.ready(now)}
        self._log.error(f"no token could be had: {error.message}", credential=self._name, **fields)

    async def _ask(self) -> None:
        """Make one request; keep the token it gives.

        Raises:
            _Refused: it gives none.
        """
        asked_at = self._clock.monotonic()
        request = _Request(self._pool)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                status, headers, body = await request.run(self._payload())
        except TimeoutError:
            raise _Refused(f"the token endpoint did not answer within {ANSWER_SECONDS:g} s") from None
        except (UpstreamError, InternalError) as error:
            raise _Refused(error.message.replace("the upstream", "the token endpoint")) from None
        finally:
            request.close()
        if status != 200:
            raise self._why(status, headers, body)
        reply = _read(body, status)
        life = self._life_seconds(reply)
        token = reply.access_token
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise _Refused("the token endpoint's answer holds no access_token that can be sent in a header")
        if reply.token_type.lower() not in {"", "bearer"}:
            raise _Refused("the token endpoint gave a token that is not sent as Bearer")
        # Its life is counted from before it was asked for, so that it ends too early rather than too late.
        self._obtained_at = self._clock.monotonic()
        self._ends_at = asked_at + life - min(_LONGEST_KEPT_BACK_SECONDS, life * _SHARE_KEPT_BACK)
        self._due = asked_at + life * RENEWED_AT
        self._failures = 0
        self.line = b"".join(header_line(name, value) for name, value in Bearer().headers(token, None))
        self._log.debug("signed in", credential=self._name, seconds=round(life))

    def _life_seconds(self, reply: _Reply) -> float:
        try:
            if reply.expires_in is not None:
                life = float(reply.expires_in)
            elif reply.expires_on is not None:
                life = float(reply.expires_on) - self._now_seconds()
            else:
                life = _LIFE_SECONDS
        except ValueError:
            raise _Refused("the token endpoint does not say in seconds how long its token lives") from None
        if not life > 0:
            raise _Refused("the token endpoint gave a token that has ended already")
        return min(life, _LONGEST_LIFE_SECONDS)

    def _now_seconds(self) -> int:
        """Tell the time as the token endpoint sees it."""
        return self._clock.wall_us() // 1_000_000 + self._skew_seconds

    def _payload(self) -> bytes:
        """Write the request, its assertion signed for now."""
        grant = self.grant
        url = urlsplit(grant.url)
        form = [*grant.form, *((name, secret.reveal()) for name, secret in grant.secret_form)]
        if grant.assertion is not None:
            assertion = signed(grant.assertion, now_seconds=self._now_seconds(), new_id=self._clock.new_id())
            form.append((grant.assertion.parameter, assertion))
        lines = {"host": url.netloc, "accept": "application/json", "accept-encoding": "identity"}
        lines |= {"user-agent": "tollway", "connection": "close", **dict(grant.headers)}
        lines |= {name: secret.reveal() for name, secret in grant.secret_headers}
        body = b""
        if grant.method == "POST":
            body = urlencode(form).encode()
            lines |= {"content-type": "application/x-www-form-urlencoded", "content-length": str(len(body))}
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        head = b"".join(header_line(name, value) for name, value in lines.items())
        return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (grant.method.encode(), target.encode("ascii"), head, body)

    def _why(self, status: int, headers: dict[bytes, bytes], body: bytes) -> _Refused:
        """Say why an endpoint refused, and whether the clocks disagree."""
        fields: dict[str, object] = {"status": status}
        try:
            reply = _read(body, status)
        except _Refused:
            reply = _Reply()
        if isinstance(reply.error, str) and len(reply.error) <= _LONGEST_WORD:
            fields["error"] = reply.error
        if isinstance(reply.error_codes, list):
            codes = cast("list[object]", reply.error_codes)
            fields["error_codes"] = [code for code in codes if isinstance(code, int)][:8]
        explanation = self._explanation(reply.error_description)
        if explanation:
            fields["explanation"] = explanation
        skewed = status < 500 and self.grant.assertion is not None and self._adjust(headers.get(b"date", b""))
        return _Refused(f"the token endpoint answered with status {status}", skewed=skewed, **fields)

    def _explanation(self, text: object) -> str:
        """Give an endpoint's own words without what may be a secret."""
        if not isinstance(text, str):
            return ""
        grant = self.grant
        ours = [secret.reveal() for _, secret in (*grant.secret_form, *grant.secret_headers)]
        words = (word if len(word) <= _LONGEST_WORD and not _holds(word, ours) else "…" for word in text.split())
        return " ".join(words)[:_LONGEST_EXPLANATION]

    def _adjust(self, date: bytes) -> bool:
        """Learn the difference of the clocks from an answer; True when it is news that may explain a refusal."""
        try:
            theirs = int(parsedate_to_datetime(date.decode("latin-1")).timestamp())
        except (TypeError, ValueError):  # there is none, or it is no date
            return False
        skew = theirs - self._clock.wall_us() // 1_000_000
        if abs(skew - self._skew_seconds) < _SKEW_SECONDS:
            return False
        self._skew_seconds = skew
        self._log.warning(
            "this machine's clock and the token endpoint's differ: theirs is used", seconds=skew, credential=self._name
        )
        return True


class _Request:
    """One request on a connection of its own; the `AttemptHandler` of it."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._payload = b""
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._connecting: asyncio.Task[None] | None = None
        self._connection: UpstreamConnection | None = None
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, payload: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Send it; give status, headers and body of the answer.

        Raises:
            UpstreamError: there is no answer.
        """
        self._payload = payload
        self._connecting = self._pool.connect(self, timeout=CONNECT_SECONDS)
        await self._done
        return self._status, self._headers, bytes(self._body)

    def close(self) -> None:
        """Let go of what is still under way."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abandon()

    def connected(self, connection: "UpstreamConnection") -> None:
        """Send."""
        self._connecting = None
        self._connection = connection
        connection.send(self._payload, self)

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """Keep the head."""
        self._status = status
        self._headers = headers

    def body(self, data: bytes) -> None:
        """Keep the body, within reason."""
        self._body += data
        if len(self._body) > _MAX_BYTES:
            self.failed(InternalError(f"the token endpoint's answer is larger than {_MAX_BYTES} bytes"))

    def ended(self) -> None:
        """The answer is whole."""
        self._connection = None
        if not self._done.done():
            self._done.set_result(None)

    def failed(self, error: UpstreamError | InternalError) -> None:
        """There is no answer."""
        self._connecting = None
        if not self._done.done():
            self._done.set_exception(error)


def _read(body: bytes, status: int) -> _Reply:
    try:
        return _decode(body)
    except NOT_JSON:
        raise _Refused("the token endpoint's answer is not the JSON that RFC 6749 promises", status=status) from None


def _holds(word: str, secrets: list[str]) -> bool:
    return any(secret and secret in word for secret in secrets)
