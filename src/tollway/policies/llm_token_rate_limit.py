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

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Final, Literal, cast

import msgspec

from tollway.core.errors import PolicyRefusal, Unauthenticated
from tollway.core.usage import Usage
from tollway.expressions import ExpressionError, Scope, compile_expression
from tollway.interfaces.counters import Window, WindowState
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Category, Policy, PolicyContext, PolicyExchange, Refusal
from tollway.interfaces.usage_record import UsageRecord

_EXPECTED_OUTPUT_TOKENS: Final = 512
_LONGEST_RETRY_SECONDS: Final = 60
"""SDKs wait for a `Retry-After` of up to a minute; to try again earlier than that cannot help."""
_MOST_TOKENS: Final = 1 << 40
"""Numbers from callers and providers have no bound of their own; counters have one."""
_USE_NO_TOKENS: Final = frozenset({"models", "model"})

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


class _Rule:
    """One limit, ready to ask for a window."""

    __slots__ = ("kind", "length_us", "limit", "limit_text", "lines", "prose", "suffix")

    def __init__(self, kind: int, limit: int, period_ms: int, suffix: bytes) -> None:
        self.kind = kind
        self.limit = limit
        self.length_us = period_ms * 1000
        self.suffix = suffix
        self.limit_text = str(limit)
        self.prose = f" tokens remaining of {limit} limit. Reset in "
        self.lines = (
            b"x-token-limit: %d\r\nx-token-remaining: %%d\r\nx-token-reset: %%d\r\n"
            b"x-llm-proxy-ratelimit: Token rate limit: %%d tokens remaining of %d limit. Reset in %%dms.\r\n"
            % (limit, limit)
        )
        """The headers of an answer; to fill in: tokens left, milliseconds to the reset, and both again."""


class _Held:
    """What one call holds until its usage is known."""

    __slots__ = ("exposed", "rules", "states", "used", "windows")

    def __init__(self, rules: tuple[_Rule, ...], windows: list[Window], states: tuple[WindowState, ...]) -> None:
        self.rules = rules
        self.windows = windows
        self.states = states
        self.used: Sequence[int] | None = None
        """Units used in each window once the call was settled."""
        self.exposed = False


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
        self._select = _selector(config.key_selector)
        self._stem = f"{context.proxy}\0{context.name}\0".encode()
        self._note = f"llm-token-rate-limit {context.name}"
        self._aligned = config.window_alignment == "wall-clock"
        self._rules = tuple(_rules_of(config, b"a" if self._aligned else b"f"))
        self._tier_rules: dict[str, tuple[_Rule, ...]] = {}
        if not self._rules and not config.use_sla_tier:
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
        rules = self._rules
        own = self._stem + self._select(exchange)
        reserves = self._reserve(exchange)
        aligned = self._aligned
        windows = [
            Window(own + rule.suffix, rule.length_us, rule.limit, reserves[rule.kind], aligned) for rule in rules
        ]
        if self._uses_tier:
            identity = exchange.identity
            if identity is None or identity.client is None:
                return Unauthenticated(
                    "the caller is not identified, so the limits of its SLA tier cannot be told: identify it with "
                    "client-id-enforcement before this policy",
                    should_retry=False,
                )
            client = identity.client
            stem = self._stem + client.client_id.encode()
            tier = self._rules_of_tier(client)
            windows += [
                Window(stem + rule.suffix, rule.length_us, rule.limit, reserves[rule.kind], aligned) for rule in tier
            ]
            rules += tier
            if not rules:
                return None
        now_us = exchange.now_us
        admission = self._admit(windows, now_us)
        states = admission.states
        if not admission.admitted:
            refused_by = admission.refused_by
            return self._refuse(rules[refused_by], states[refused_by], now_us)
        exchange.note(self._note, _Held(rules, windows, states))
        return None

    def response(self, exchange: PolicyExchange, status: int) -> Refusal:
        """Settle by the provider's usage, where it is known by now, and tell the caller what is left."""
        del status
        held = exchange.recall(self._note)
        if isinstance(held, _Held):
            usage = exchange.usage
            if usage is not None and held.used is None:
                self._settle_by(held, usage, exchange.now_us)
            if self._exposes:
                _expose(exchange, held, self._note)
        return None

    def end(self, exchange: PolicyExchange, record: UsageRecord) -> None:
        """Settle what is still reserved. The head of an error goes out after this, so it is told here."""
        held = exchange.recall(self._note)
        if not isinstance(held, _Held):
            return
        if held.used is None:
            usage = record.usage
            if usage.source == "none" and record.outcome == "ok" and record.operation not in _USE_NO_TOKENS:
                # It answered and nobody counted: what was reserved is the best there is.
                held.used = [state.used for state in held.states]
            else:
                self._settle_by(held, usage, exchange.now_us)
        if self._exposes and not held.exposed:
            _expose(exchange, held, self._note)

    def _settle_by(self, held: _Held, usage: Usage, now_us: int) -> None:
        prompt = min(usage.input_tokens, _MOST_TOKENS)
        completion = min(usage.output_tokens, _MOST_TOKENS)
        counts = (prompt + completion, prompt, completion)
        held.used = self._settle(
            [
                (window.key, state.start_us, counts[rule.kind] - window.reserve)
                for rule, window, state in zip(held.rules, held.windows, held.states, strict=False)
            ],
            now_us,
        )

    def _worst_case(self, exchange: PolicyExchange) -> tuple[int, int, int]:
        # No token is shorter than a byte.
        prompt = len(exchange.body)
        output = exchange.requested_output_tokens()
        completion = self.config.assumed_output_tokens if output is None or output < 0 else min(output, _MOST_TOKENS)
        return (prompt + completion, prompt, completion)

    def _rules_of_tier(self, client: ClientApplication) -> tuple[_Rule, ...]:
        rules = self._tier_rules.get(client.client_id)
        if rules is None:
            mark = b"ta" if self._aligned else b"tf"
            smallest: dict[bytes, _Rule] = {}
            for tier in client.sla_limits:
                for kind, limit in enumerate((tier.total_tokens, tier.prompt_tokens, tier.completion_tokens)):
                    suffix = _suffix(mark, kind, tier.period_ms)
                    if limit is not None and (suffix not in smallest or limit < smallest[suffix].limit):
                        smallest[suffix] = _Rule(kind, limit, tier.period_ms, suffix)
            rules = self._tier_rules[client.client_id] = tuple(smallest.values())
        return rules

    def _refuse(self, rule: _Rule, state: WindowState, now_us: int) -> PolicyRefusal:
        reset_us = state.start_us + state.length_us - now_us
        reset_seconds = max(1, -(-reset_us // 1_000_000))
        headers: tuple[tuple[str, str], ...] = ()
        if self._exposes:
            headers = _headers(rule, 0, reset_us)
        return PolicyRefusal(
            f"Token rate limit reached: {state.used} of {state.limit} {_KINDS[rule.kind]} tokens are used or reserved "
            f"in this window of {_duration(state.length_us)}. It resets in {reset_seconds} s; try again then.",
            status=429,
            code="rate_limit_exceeded",
            headers=headers,
            retry_after_seconds=reset_seconds,
            should_retry=reset_seconds <= _LONGEST_RETRY_SECONDS,
        )


def _estimate(exchange: PolicyExchange) -> tuple[int, int, int]:
    """What to set aside of total, prompt and completion tokens, as a rule."""
    prompt = exchange.estimated_input_tokens()
    output = exchange.requested_output_tokens()
    if output is None or not 0 <= output <= _EXPECTED_OUTPUT_TOKENS:
        output = _EXPECTED_OUTPUT_TOKENS
    return (prompt + output, prompt, output)


def _nothing(exchange: PolicyExchange) -> tuple[int, int, int]:
    del exchange
    return (0, 0, 0)


def _rules_of(config: Config, mark: bytes) -> list[_Rule]:
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
    rules: dict[bytes, _Rule] = {}
    for kind, count, period_ms in asked:
        suffix = _suffix(mark, kind, period_ms)
        if suffix in rules:
            raise ValueError(
                f"two limits on {_KINDS[kind]} tokens in {period_ms} ms: keep the smaller one, the other never counts"
            )
        rules[suffix] = _Rule(kind, count, period_ms, suffix)
    return list(rules.values())


def _suffix(mark: bytes, kind: int, period_ms: int) -> bytes:
    """End a key. The period is part of it: a window whose length was changed starts anew."""
    return b"\0%b%d.%d" % (mark, kind, period_ms)


def _selector(source: str) -> Callable[[PolicyExchange], bytes]:
    """Prepare the key selector; null, and what cannot be read, is the empty key."""
    try:
        expression = compile_expression(source)
    except ExpressionError as error:
        raise ValueError(f"keySelector: {error}") from error
    if expression.header_name is not None:
        name = expression.header_name.encode("latin-1")
        return lambda exchange: exchange.raw_header(name) or b""

    def select(exchange: PolicyExchange) -> bytes:
        try:
            return (expression.text(cast("Scope", exchange)) or "").encode("utf-8", "surrogatepass")
        except ExpressionError:
            return b""

    return select


def _expose(exchange: PolicyExchange, held: _Held, key: str) -> None:
    """Tell the caller about the limit with the fewest tokens left."""
    held.exposed = True
    states = held.states
    used = held.used
    tightest = 0
    remaining = states[0].limit - (states[0].used if used is None else used[0])
    for index in range(1, len(states)):
        left = states[index].limit - (states[index].used if used is None else used[index])
        if left < remaining:
            remaining = left
            tightest = index
    state = states[tightest]
    reset_us = state.start_us + state.length_us - exchange.now_us
    left = max(0, remaining)
    reset = max(0, reset_us) // 1000
    exchange.set_response_lines(key, held.rules[tightest].lines % (left, reset, left, reset))


def _headers(rule: _Rule, remaining: int, reset_us: int) -> tuple[tuple[str, str], ...]:
    left = str(remaining) if remaining > 0 else "0"
    reset = str(reset_us // 1000) if reset_us > 0 else "0"
    return (
        ("x-token-limit", rule.limit_text),
        ("x-token-remaining", left),
        ("x-token-reset", reset),
        ("x-llm-proxy-ratelimit", f"Token rate limit: {left}{rule.prose}{reset}ms."),
    )


def _duration(length_us: int) -> str:
    seconds, rest = divmod(length_us, 1_000_000)
    return f"{seconds} s" if rest == 0 else f"{length_us // 1000} ms"


POLICY: Final[type[Policy[Config]]] = LlmTokenRateLimit
