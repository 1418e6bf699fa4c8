"""Limits the tokens one caller may use in a window of time.

What one call does to its windows:

- `request` reserves in every window, or in none and answers 429. A call is admitted while every
  window has tokens left, so at most one call passes the limit, by its own size at most.
- `response` replaces the reservation by what the provider says it used, when that is known before
  the answer's head goes out; a stream's is replaced in `end`. A call that never reached a provider, or that the
  provider refused, gives everything back.
- A provider that answered but counted nothing leaves the reservation standing: a limit must not fail open.

Prompt tokens include cached ones, completion tokens include reasoning.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, ClassVar, Final, Literal, cast

import msgspec

from tollway.core.errors import PolicyRefusal, Unauthenticated
from tollway.core.usage import Usage
from tollway.expressions import ExpressionError, Scope, compile_expression
from tollway.interfaces.counters import NO_LIMIT, Admission, Amounts, Window
from tollway.interfaces.dialect import USE_NO_TOKENS
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Category, Policy, PolicyContext, PolicyExchange, Refusal
from tollway.interfaces.usage_record import UsageRecord

_EXPECTED_OUTPUT_TOKENS: Final = 512
_LONGEST_RETRY_SECONDS: Final = 60
"""SDKs wait for a `Retry-After` of up to a minute; to try again earlier than that cannot help."""
_MOST_REMEMBERED: Final = 4_096
_MOST_TOKENS: Final = 1 << 40
"""Numbers from callers and providers have no bound of their own; counters have one."""

Positive = Annotated[int, msgspec.Meta(ge=1)]
Period = Annotated[int, msgspec.Meta(ge=1_000)]


class Limit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Tokens allowed in one window; each of the counts given is a limit of its own."""

    total_tokens: Annotated[Positive | None, msgspec.Meta(description="Prompt and completion tokens together.")] = None
    prompt_tokens: Annotated[Positive | None, msgspec.Meta(description="Prompt tokens, cached ones included.")] = None
    completion_tokens: Annotated[
        Positive | None, msgspec.Meta(description="Completion tokens, reasoning included.")
    ] = None
    time_period_in_milliseconds: Annotated[
        Period, msgspec.Meta(description="Length of the window, milliseconds, at least 1,000.")
    ] = 60_000


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Settings of llm-token-rate-limit."""

    key_selector: Annotated[
        str,
        msgspec.Meta(
            title="Key selector",
            description="Expression whose value has windows of its own, such as `#[attributes.headers['client_id']]` "
            "or `#[authentication.principal]`. Callers for whom it is null share one.",
        ),
    ]
    maximum_tokens: Annotated[
        Positive | None,
        msgspec.Meta(
            title="Maximum tokens", description="Tokens in total per window; needs `timePeriodInMilliseconds`."
        ),
    ] = None
    time_period_in_milliseconds: Annotated[
        Period | None,
        msgspec.Meta(title="Time period", description="Length of that window, milliseconds, at least 1,000."),
    ] = None
    limits: Annotated[
        tuple[Limit, ...],
        msgspec.Meta(
            title="Limits", description="Any number of limits on total, prompt or completion tokens; all apply."
        ),
    ] = ()
    use_sla_tier: Annotated[
        bool,
        msgspec.Meta(
            title="Use SLA tier",
            description="Also apply the limits of the SLA tier in the caller's contract, per client application. "
            "Needs client-id-enforcement earlier in the chain.",
        ),
    ] = False
    window_alignment: Annotated[
        Literal["first-request", "wall-clock"],
        msgspec.Meta(
            title="Window alignment",
            description="Windows start at a key's first request, or at multiples of their length since the epoch.",
        ),
    ] = "first-request"
    reservation: Annotated[
        Literal["estimate", "worst-case", "none"],
        msgspec.Meta(
            title="Reservation",
            description="What a call sets aside until its usage is known. `estimate`: the guessed prompt and the "
            "caller's maximum of output tokens, or 512 when it gave none or more. `worst-case`: a prompt token per "
            "byte of the body and the caller's maximum, or `assumedOutputTokens`; however many calls run at once, "
            "the limit is then passed by one call at most. `none`: nothing, so that all calls in flight may pass it.",
        ),
    ] = "estimate"
    assumed_output_tokens: Annotated[
        Positive,
        msgspec.Meta(
            title="Assumed output tokens",
            description="Output reserved by `worst-case` for a caller that gave no maximum.",
        ),
    ] = 4_096
    expose_headers: Annotated[
        bool,
        msgspec.Meta(
            title="Expose headers",
            description="Send `x-token-limit`, `x-token-remaining`, `x-token-reset` (milliseconds) and "
            "`x-llm-proxy-ratelimit`, of the limit with the fewest tokens left, with every answer.",
        ),
    ] = True


_TOTAL: Final = 0
_PROMPT: Final = 1
_COMPLETION: Final = 2
_KINDS: Final = ("total", "prompt", "completion")


class _Period:
    """The limits of one period, ready to ask for a window."""

    __slots__ = ("exposed", "length_us", "limits", "suffix")

    def __init__(self, limits: Amounts, period_ms: int, mark: bytes) -> None:
        self.length_us = period_ms * 1000
        self.limits = limits
        # The period is part of the key: a window whose length was changed starts anew.
        self.suffix = b"\0%b%d" % (mark, period_ms)
        self.exposed = tuple(
            (kind, limit, _LINES % (limit, limit)) for kind, limit in enumerate(limits) if limit != NO_LIMIT
        )
        """Each limit, with the headers that tell of it."""


_LINES: Final = (
    b"x-token-limit: %d\r\nx-token-remaining: %%d\r\nx-token-reset: %%d\r\n"
    b"x-llm-proxy-ratelimit: Token rate limit: %%d tokens remaining of %d limit. Reset in %%dms.\r\n"
)
"""The headers of an answer; to fill in: tokens left, milliseconds to the reset, and both again."""


class _Held(msgspec.Struct, eq=False, gc=False):
    """What one call holds until its usage is known."""

    periods: Sequence[_Period]
    windows: Sequence[Window]
    reserve: Amounts
    starts: Sequence[int]
    used: Sequence[Amounts]
    settled: bool = False
    exposed: bool = False


class LlmTokenRateLimit(Policy[Config]):
    """Admits a call while every one of its windows has tokens left."""

    id: ClassVar[str] = "llm-token-rate-limit"
    title: ClassVar[str] = "LLM token rate limit"
    category: ClassVar[Category] = "ai"
    summary: ClassVar[str] = (
        "Limits total, prompt or completion tokens per caller in one or several windows, settled by the usage "
        "the provider reports."
    )
    config_type: ClassVar[type[msgspec.Struct]] = Config

    def __init__(self, config: Config, context: PolicyContext) -> None:
        """Prepare the rules; raise ValueError for settings that limit nothing or contradict each other."""
        super().__init__(config, context)
        self._header, self._select = _selector(config.key_selector)
        self._stem = f"{context.proxy}\0{context.name}\0".encode()
        self._note = f"llm-token-rate-limit {context.name}"
        self._aligned = config.window_alignment == "wall-clock"
        self._periods = _periods_of(config, b"a" if self._aligned else b"f")
        self._windows: dict[bytes, tuple[Window, ...]] = {}
        self._tier_periods: dict[str, tuple[_Period, ...]] = {}
        if not self._periods and not config.use_sla_tier:
            raise ValueError(
                "nothing is limited: give maximumTokens with timePeriodInMilliseconds, or limits, or useSlaTier"
            )
        self._exposes = config.expose_headers
        self._uses_tier = config.use_sla_tier
        self._reserve = {"estimate": _estimate, "worst-case": self._worst_case, "none": _nothing}[config.reservation]
        self._admit = context.counters.admit
        self._settle = context.counters.settle

    def request(self, exchange: PolicyExchange) -> Refusal:
        """Reserve in every window, or refuse."""
        if exchange.operation in USE_NO_TOKENS:
            return None
        header = self._header
        key = (exchange.raw_header(header) or b"") if header is not None else self._select(exchange)
        windows = self._windows.get(key)
        if windows is None:
            windows = self._remember(key)
        periods = self._periods
        if self._uses_tier:
            identity = exchange.identity
            if identity is None or identity.client is None:
                return Unauthenticated(
                    "the caller is not identified, so the limits of its SLA tier cannot be told: identify it with "
                    "client-id-enforcement before this policy",
                    should_retry=False,
                )
            tier = self._periods_of_tier(identity.client)
            periods += tier
            windows += self._windows_of(tier, identity.client.client_id.encode())
            if not periods:
                return None
        reserve = self._reserve(exchange)
        admission = self._admit(windows, reserve, exchange.now_us)
        if not admission.admitted:
            return self._refuse(periods[admission.refused_by], admission, exchange.now_us)
        exchange.note(self._note, _Held(periods, windows, reserve, admission.starts, admission.used))
        return None

    def response(self, exchange: PolicyExchange, status: int) -> Refusal:
        """Settle by the provider's usage, where it is known by now, and tell the caller what is left."""
        del status
        held = exchange.recall(self._note)
        if isinstance(held, _Held):
            usage = exchange.usage
            if usage is not None and not held.settled:
                self._settle_by(held, usage, exchange.now_us)
            if self._exposes:
                _expose(exchange, held, self._note)
        return None

    def end(self, exchange: PolicyExchange, record: UsageRecord) -> None:
        """Settle what is still reserved. The head of an error goes out after this, so it is told here."""
        held = exchange.recall(self._note)
        if not isinstance(held, _Held):
            return
        if not held.settled:
            usage = record.usage
            if usage.source == "none" and record.outcome == "ok" and record.operation not in USE_NO_TOKENS:
                # It answered and nobody counted: what was reserved is the best there is.
                held.settled = True
            else:
                self._settle_by(held, usage, exchange.now_us)
        if self._exposes and not held.exposed:
            _expose(exchange, held, self._note)

    def _settle_by(self, held: _Held, usage: Usage, now_us: int) -> None:
        prompt, completion = usage.totals()
        if prompt > _MOST_TOKENS or completion > _MOST_TOKENS:
            prompt, completion = min(prompt, _MOST_TOKENS), min(completion, _MOST_TOKENS)
        reserved, reserved_prompt, reserved_completion = held.reserve
        correction = (prompt + completion - reserved, prompt - reserved_prompt, completion - reserved_completion)
        held.used = self._settle(held.windows, held.starts, correction, now_us)
        held.settled = True

    def _remember(self, key: bytes) -> tuple[Window, ...]:
        """Make the windows of one caller once: the same callers come again and again."""
        if len(self._windows) >= _MOST_REMEMBERED:
            self._windows.clear()  # keys may come from callers, so they must not pile up
        windows = self._windows[key] = self._windows_of(self._periods, key)
        return windows

    def _windows_of(self, periods: Sequence[_Period], key: bytes) -> tuple[Window, ...]:
        stem = self._stem + key
        return tuple(Window(stem + one.suffix, one.length_us, one.limits, self._aligned) for one in periods)

    def _worst_case(self, exchange: PolicyExchange) -> Amounts:
        # No token is shorter than a byte. A session's response has more for its prompt than the message that asks.
        prompt = max(len(exchange.body), exchange.estimated_input_tokens())
        output = exchange.requested_output_tokens()
        completion = self.config.assumed_output_tokens if output is None or output < 0 else min(output, _MOST_TOKENS)
        return (prompt + completion, prompt, completion)

    def _periods_of_tier(self, client: ClientApplication) -> tuple[_Period, ...]:
        periods = self._tier_periods.get(client.client_id)
        if periods is None:
            mark = b"ta" if self._aligned else b"tf"
            smallest: dict[int, list[int]] = {}
            for tier in client.sla_limits:
                limits = smallest.setdefault(tier.period_ms, [NO_LIMIT] * 3)
                for kind, limit in enumerate((tier.total_tokens, tier.prompt_tokens, tier.completion_tokens)):
                    if limit is not None:
                        limits[kind] = min(limits[kind], limit)
            periods = self._tier_periods[client.client_id] = tuple(_made(smallest, mark))
        return periods

    def _refuse(self, period: _Period, admission: Admission, now_us: int) -> PolicyRefusal:
        kind = admission.refused_amount
        reset_us = admission.starts[admission.refused_by] + period.length_us - now_us
        reset_seconds = max(1, -(-reset_us // 1_000_000))
        used = admission.used[admission.refused_by][kind]
        limit = period.limits[kind]
        return PolicyRefusal(
            f"Token rate limit reached: {used} of {limit} {_KINDS[kind]} tokens are used or reserved "
            f"in this window of {_duration(period.length_us)}. It resets in {reset_seconds} s; try again then.",
            status=429,
            code="rate_limit_exceeded",
            headers=_headers(limit, reset_us) if self._exposes else (),
            retry_after_seconds=reset_seconds,
            should_retry=reset_seconds <= _LONGEST_RETRY_SECONDS,
        )


def _estimate(exchange: PolicyExchange) -> Amounts:
    """What to set aside of total, prompt and completion tokens, as a rule."""
    prompt = exchange.estimated_input_tokens()
    output = exchange.requested_output_tokens()
    if output is None or not 0 <= output <= _EXPECTED_OUTPUT_TOKENS:
        output = _EXPECTED_OUTPUT_TOKENS
    return (prompt + output, prompt, output)


def _nothing(exchange: PolicyExchange) -> Amounts:
    del exchange
    return (0, 0, 0)


def _periods_of(config: Config, mark: bytes) -> tuple[_Period, ...]:
    if (config.maximum_tokens is None) != (config.time_period_in_milliseconds is None):
        raise ValueError("maximumTokens and timePeriodInMilliseconds go together: give both, or neither and limits")
    asked: list[tuple[int, int, int]] = []
    if config.maximum_tokens is not None and config.time_period_in_milliseconds is not None:
        asked.append((_TOTAL, config.maximum_tokens, config.time_period_in_milliseconds))
    for index, limit in enumerate(config.limits):
        counts = (limit.total_tokens, limit.prompt_tokens, limit.completion_tokens)
        given = [(kind, count) for kind, count in enumerate(counts) if count is not None]
        if not given:
            raise ValueError(f"limits[{index}]: give totalTokens, promptTokens or completionTokens")
        asked.extend((kind, count, limit.time_period_in_milliseconds) for kind, count in given)
    periods: dict[int, list[int]] = {}
    for kind, count, period_ms in asked:
        limits = periods.setdefault(period_ms, [NO_LIMIT] * 3)
        if limits[kind] != NO_LIMIT:
            raise ValueError(
                f"two limits on {_KINDS[kind]} tokens in {period_ms} ms: keep the smaller one, the other never counts"
            )
        limits[kind] = count
    return tuple(_made(periods, mark))


def _made(periods: dict[int, list[int]], mark: bytes) -> Iterator[_Period]:
    for period_ms, (total, prompt, completion) in periods.items():
        if min(total, prompt, completion) < NO_LIMIT:
            yield _Period((total, prompt, completion), period_ms, mark)


def _selector(source: str) -> tuple[bytes | None, Callable[[PolicyExchange], bytes]]:
    """Prepare the key selector: the header it looks up, if it does just that, and a function for any other.

    Null, and what cannot be read, is the empty key.
    """
    try:
        expression = compile_expression(source)
    except ExpressionError as error:
        raise ValueError(f"keySelector: {error}") from error
    header = expression.header_name.encode("latin-1") if expression.header_name is not None else None

    def select(exchange: PolicyExchange) -> bytes:
        try:
            return (expression.text(cast("Scope", exchange)) or "").encode("utf-8", "surrogatepass")
        except ExpressionError:
            return b""

    return header, select


def _expose(exchange: PolicyExchange, held: _Held, key: str) -> None:
    """Tell the caller about the limit with the fewest tokens left."""
    held.exposed = True
    remaining = NO_LIMIT
    lines = b""
    end_us = 0
    for period, start_us, used in zip(held.periods, held.starts, held.used, strict=False):
        for kind, limit, template in period.exposed:
            left = limit - used[kind]
            if left < remaining:
                remaining = left
                lines = template
                end_us = start_us + period.length_us
    left = max(0, remaining)
    reset_us = end_us - exchange.now_us
    reset = reset_us // 1000 if reset_us > 0 else 0
    exchange.set_response_lines(key, lines % (left, reset, left, reset))


def _headers(limit: int, reset_us: int) -> tuple[tuple[str, str], ...]:
    reset = max(0, reset_us // 1000)
    return (
        ("x-token-limit", str(limit)),
        ("x-token-remaining", "0"),
        ("x-token-reset", str(reset)),
        ("x-llm-proxy-ratelimit", f"Token rate limit: 0 tokens remaining of {limit} limit. Reset in {reset}ms."),
    )


def _duration(length_us: int) -> str:
    seconds, rest = divmod(length_us, 1_000_000)
    return f"{seconds} s" if rest == 0 else f"{length_us // 1000} ms"


POLICY: Final[type[Policy[Config]]] = LlmTokenRateLimit
