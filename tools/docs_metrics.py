"""Writes `docs/reference/metrics.md` from the catalogues in the code.

python tools/docs_metrics.py            write it
python tools/docs_metrics.py --check    exit 1 when it is not what the code says
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tollway.core import genai_conventions as genai
from tollway.gateway.metrics import CATALOGUE, TOKEN_CLASSES, Metric
from tollway.metering import otel, service
from tollway.wire.exposition import number

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"

_INTRODUCTION: Final = """\
# Metrics

<!-- Made by tools/docs_metrics.py from src/tollway/gateway/metrics.py and src/tollway/metering: edit those. -->

`GET /metrics` gives the metrics of all workers together, and those of the ingester,
in the Prometheus text format 0.0.4.
A listener serves it when its `metrics` is true; so does the admin address.

- Counters and histograms are added over workers.
  A worker that is replaced takes its counts with it, as after any restart.
- Labels are bounded: they come from the configuration or from the tables below, except model names and error codes;
  when a worker has seen too many of those, further ones are called `other`.
- What a caller wrote is never a label.
- `model` is the served model, or the targeted one where the provider did not say; it is empty for refused calls.

"""

_TOKENS: Final = """\
## Classes of tokens

The classes of `tollway_tokens_total` do not overlap:
their sum over a direction is what the provider says it counted, cached tokens and reasoning included.

| direction | class | member of the usage record |
|---|---|---|
"""

_OTEL: Final = """\
## OpenTelemetry

With `telemetry.otlp_endpoint` set, the supervisor also sends spans and metrics there, as OTLP over HTTP:
a span for each attempt (kind client) under one for each call (kind server), and these metrics.
They are made from the ledger's own records, after they are stored; content is never sent.
The caller's `traceparent` is kept.

The conventions for generative AI come in two vocabularies. A, the default, is that of semantic-conventions v1.41;
B that of semantic-conventions-genai.

| vocabulary | metrics |
|---|---|
"""


def page() -> str:
    """The whole page."""
    return "".join(
        [
            _INTRODUCTION,
            "## Workers\n\n",
            _table(CATALOGUE),
            "\n## Ingester and export\n\n",
            _table(
                Metric(name, "counter" if name.endswith("_total") else "gauge", text)
                for name, text in {**service.HELP, **otel.HELP}.items()
            ),
            "\n",
            _TOKENS,
            *(f"| {direction} | `{name}` | `{member}` |\n" for member, direction, name in TOKEN_CLASSES),
            "\n",
            _OTEL,
            f"| A | {_names('gen_ai.client.token', 'gen_ai.client.operation', 'gen_ai.server')} |\n",
            f"| B | {_names('gen_ai.client.inference')} |\n",
        ]
    )


def _table(metrics: Iterable[Metric]) -> str:
    rows = ["| name | kind | labels | meaning |\n", "|---|---|---|---|\n"]
    for metric in metrics:
        bounds = f" Bounds: {', '.join(map(number, metric.bounds))}." if metric.bounds else ""
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help}{bounds} |\n")
    return "".join(rows)


def _names(*prefixes: str) -> str:
    names = [value for value in vars(genai).values() if isinstance(value, str) and value.startswith(prefixes)]
    return ", ".join(f"`{name}`" for name in names)


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text() == text
        print(f"{PAGE.name}: {'as the code says' if same else 'is not what the code says: run this tool'}")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
