"""What choosing and planning cost a call that goes well, in µs: `python benchmarks/micro_routing.py`."""

import random
import time
from typing import Literal

from tollway.routing.health import UpstreamHealth
from tollway.routing.keys import KeyRing
from tollway.routing.plan import Planner
from tollway.snapshot.document import Health, Retries, Route

CALLS = 500
ROUNDS = 200  # many and short: the shortest is then free of what else the machine does
KNOWN = {"openai": frozenset({"gpt-5", "gpt-5-mini"}), "gemini": frozenset({"gemini-2.5-flash"})}


def planner(strategy: Literal["model-based", "weighted", "priority"], keys: int) -> Planner:
    routes = [
        Route(name=name, provider=name, base_url="https://example.test", weight=weight)
        for name, weight in (("openai", 3), ("gemini", 1))
    ]
    return Planner(
        routes,
        strategy=strategy,
        retries=Retries(),
        healths=[UpstreamHealth(Health()) for _ in routes],
        rings=[KeyRing(keys) for _ in routes],
        known_models=KNOWN,
        jitter=random.random,
    )


def measure(name: str, plans: Planner, model: str) -> None:
    def header(_: str) -> str | None:
        return None

    shortest = float("inf")
    for _ in range(ROUNDS):
        now = time.perf_counter()
        for _ in range(CALLS):
            plan = plans.plan(model, header)
            plan.first(now)
            plan.succeeded(now)
        shortest = min(shortest, time.perf_counter() - now)
    print(f"{name:40} {shortest / CALLS * 1e6:5.2f}")


def main() -> None:
    measure("model-based, prefix", planner("model-based", 1), "openai/gpt-5")
    measure("model-based, bare name", planner("model-based", 1), "gemini-2.5-flash")
    measure("model-based, three keys", planner("model-based", 3), "openai/gpt-5")
    measure("weighted, two routes", planner("weighted", 1), "openai/gpt-5")
    measure("priority, two routes", planner("priority", 1), "openai/gpt-5")


if __name__ == "__main__":
    main()
