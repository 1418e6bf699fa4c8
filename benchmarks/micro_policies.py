"""What the first policies cost one call, in µs: `python benchmarks/micro_policies.py`.

The exchange is the gateway's own `Call`; the registry hashes secrets as in production; counters are
in memory, so that the limiter's own cost shows (`micro_counters.py` has the cost of shared ones).
"""

import hashlib
import time
from collections.abc import Callable

from tollway.core.usage import usage_from_totals
from tollway.gateway.call import Call
from tollway.gateway.clock import SystemClock
from tollway.gateway.identify import Registry
from tollway.gateway.request import Request
from tollway.interfaces.counters import Window
from tollway.interfaces.policy import PolicyContext
from tollway.interfaces.usage_record import UsageRecord
from tollway.policies.client_id_enforcement import ClientIdEnforcement
from tollway.policies.client_id_enforcement import Config as EnforcementConfig
from tollway.policies.llm_token_rate_limit import Config as LimitConfig
from tollway.policies.llm_token_rate_limit import Limit, LlmTokenRateLimit
from tollway.snapshot.document import Client, Contract, SecretHash
from tollway.stores.counters_memory import MemoryCounters

CALLS = 500
ROUNDS = 200  # many and short: the shortest is then free of what else the machine does
SECRET = "a-secret-of-a-common-length-0123456789"
BODY = b'{"model":"openai/gpt-5","messages":[{"role":"user","content":"' + b"x" * 2000 + b'"}]}'


def main() -> None:
    salt = "salt"
    client = Client(
        client_id="client",
        name="Client",
        secrets=(SecretHash(salt=salt, sha256=hashlib.sha256((salt + SECRET).encode()).hexdigest()),),
    )
    clock = SystemClock()
    registry = Registry([Contract(client_id="client")], {"client": client}, wall_us=clock.wall_us)
    context = PolicyContext(proxy="llm-proxy", name="limit", counters=MemoryCounters(), clients=registry, clock=clock)
    enforcement = ClientIdEnforcement(EnforcementConfig(), context)
    one = LlmTokenRateLimit(limit_config(Limit(total_tokens=1 << 40)), context)
    day = Limit(prompt_tokens=1 << 40, time_period_in_milliseconds=86_400_000)
    two = LlmTokenRateLimit(limit_config(Limit(total_tokens=1 << 40), day), context)

    call = made(clock, [(b"client_id", b"client"), (b"client_secret", SECRET.encode())])
    show("client-id-enforcement, headers", lambda: enforcement.request(call))
    bearer = made(clock, [(b"authorization", b"Bearer client:" + SECRET.encode())])
    show("client-id-enforcement, SDK key", lambda: enforcement.request(bearer))
    show("registry alone", lambda: registry.authenticate("client", SECRET))

    usage = usage_from_totals(500, 100)
    record = UsageRecord(id="i", call_id="c", started_us=0, usage=usage)
    for name, limiter in (("1 window", one), ("2 windows", two)):

        def whole(limiter: LlmTokenRateLimit = limiter) -> None:
            call.usage = None
            limiter.request(call)
            call.usage = usage
            limiter.response(call, 200)
            limiter.end(call, record)

        def streamed(limiter: LlmTokenRateLimit = limiter) -> None:
            call.usage = None
            limiter.request(call)
            limiter.response(call, 200)
            limiter.end(call, record)

        show(f"llm-token-rate-limit, {name}, whole", whole)
        show(f"llm-token-rate-limit, {name}, streamed", streamed)
    keys = [(b"key%d" % n) for n in range(2)]
    counters = context.counters
    asked = [Window(key, 60_000_000, (1 << 40, 1 << 40, 1 << 40)) for key in keys]
    starts = counters.admit(asked, (600, 500, 100), clock.wall_us()).starts

    def counting() -> None:
        now_us = clock.wall_us()
        counters.admit(asked, (600, 500, 100), now_us)
        counters.settle(asked, starts, (-1, -1, -1), now_us)

    show("of which counters in memory, 2 windows", counting)


def limit_config(*limits: Limit) -> LimitConfig:
    return LimitConfig(key_selector="#[attributes.headers['client_id']]", limits=limits)


def made(clock: SystemClock, headers: list[tuple[bytes, bytes]]) -> Call:
    request = Request(b"POST", b"/llm-proxy/v1/chat/completions", "192.0.2.1")
    for name, value in [(b"host", b"localhost"), (b"content-type", b"application/json"), *headers]:
        request.add_header(name, value)
    request.body = BODY
    return Call(request, clock)


def show(name: str, call: Callable[[], object]) -> None:
    shortest = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        shortest = min(shortest, time.perf_counter() - began)
    print(f"{name:45} {shortest / CALLS * 1e6:5.2f}")


if __name__ == "__main__":
    main()
