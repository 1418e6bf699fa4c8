"""Nanoseconds per evaluation of typical expressions: `python benchmarks/micro_expressions.py`.

The best of several rounds, since whatever else the machine does only ever adds. The first line is
what the loop and a method call cost without any expression; compare two commits by the others'
distance from it.
"""

from timeit import repeat

from tollway.expressions import compile_expression

FIELDS = (
    "gold",
    "#[attributes.headers['ClientId']]",
    "#[authentication.clientName]",
    "#[payload.usage.prompt_tokens]",
    "#[if (lower(attributes.headers['X-Tier'] default 'free') == 'gold') 'fast' else 'slow']",
    "#[attributes.headers['ClientId']]:#[attributes.method]:#[payload.model default 'none']",
)
LOOPS = 50_000
ROUNDS = 7


class Exchange:
    """As much of a scope as the fields above read, each member as cheap as it can be."""

    method = "POST"

    def __init__(self):
        self._headers = {"clientid": "app-7", "x-tier": "Gold"}
        self._identity = {"clientId": "app-7", "clientName": "Billing bot"}
        self._payload = {"model": "gpt-5-mini", "usage": {"prompt_tokens": 12}}

    def header(self, name):
        return self._headers.get(name)

    def authentication(self):
        return self._identity

    def payload(self):
        return self._payload


def nanoseconds(call, scope):
    return min(repeat("call(scope)", globals={"call": call, "scope": scope}, number=LOOPS, repeat=ROUNDS)) / LOOPS * 1e9


def main():
    scope = Exchange()
    print(f"{nanoseconds(lambda scope: scope.header('clientid'), scope):8.0f} ns  (one header, by hand)")
    for field in FIELDS:
        print(f"{nanoseconds(compile_expression(field).text, scope):8.0f} ns  {field}")


if __name__ == "__main__":
    main()
