"""Writes `docs/reference/usage-record.md` from the record's types.

python tools/docs_usage_record.py            write it
python tools/docs_usage_record.py --check    exit 1 when it is not what the types say
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import inspect as mi

from tollway.config.field_docs import field_docs
from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.wire.spool_format import encode_line

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "usage-record.md"

_INTRODUCTION: Final = """\
# The usage record

<!-- Made by tools/docs_usage_record.py from interfaces/usage_record.py and core/usage.py: edit those. -->

One record is written for each upstream attempt, and one for each call that an identified caller was refused,
before the caller has the last byte of its answer.
It goes to the spool as one line of JSON, without the members that are empty or zero, and from there into the ledger,
where the same names are the columns.
A call that was tried three times has three records with one `call_id`; the last one has `final` true.
Prompts, answers, headers and secrets are never part of it.

## Members

| member | type | meaning |
|---|---|---|
"""

_USAGE: Final = """
## Usage

The members of `usage` never overlap: summed over input or output they are the provider's own totals,
whether it counts cached tokens within its input or beside it.
`input_tokens` in reports is the sum of the input members, cached ones included; `output_tokens` that of the others.

| member | type | meaning |
|---|---|---|
"""

_MEANINGS: Final = {
    "gateway": "Name of the gateway.",
    "proxy": "Name of the LLM proxy.",
    "route": "Name of the route; empty when none was reached.",
    "provider": "Name of the provider.",
    "client_id": "Client id of the caller, once a policy has established it.",
    "client_name": "Name of its client application.",
    "business_group": "Name of that application's business group.",
    "sla_tier": "Name of the SLA tier in its contract.",
    "inbound_dialect": "The API the caller spoke.",
    "provider_dialect": "The API the provider was spoken to in.",
    "requested_model": "The model as the caller wrote it.",
    "target_model": "The model that was asked of the provider.",
    "served_model": "The model the provider says it used.",
    "service_tier": "The provider's service tier, where it tells.",
    "stream": "Whether the caller asked for a stream.",
    "outcome": "How the attempt ended. `refused`: no provider was called. `cancelled`: the caller left.",
    "upstream_status": "Status the provider answered with; 0 when it did not.",
    "stop_reason": "Why the model stopped.",
    "correlation_id": "The `x-correlation-id` of the call.",
    "ended_us": "Wall clock at the end of the attempt, µs since the epoch, UTC.",
    "response_id": "The provider's id of its answer.",
    "usage": "What was used; see below.",
    "request_bytes": "Size of the request body the caller sent.",
    "response_bytes": "Size of the answer body the provider sent.",
    "input_audio": "Input tokens of audio.",
    "input_image": "Input tokens of images.",
    "cache_read_audio": "Audio tokens read from the provider's prompt cache.",
    "cache_write_5m": "Input tokens written to the prompt cache for five minutes.",
    "cache_write_1h": "Input tokens written to the prompt cache for an hour.",
    "output_audio": "Output tokens of audio.",
    "output_image": "Output tokens of images.",
    "source": "Who counted: the provider, the gateway (a stream that was cut), or nobody.",
}
"""Of the members whose name says it all to who reads the code."""


def page() -> str:
    """The whole page."""
    sample = UsageRecord(
        gateway="local",
        proxy="llm-proxy",
        route="gemini",
        provider="gemini",
        credential="gemini",
        client_id="finance-forecasting",
        client_name="Finance Forecasting Agent",
        business_group="Finance",
        operation="conversation",
        inbound_dialect="openai-chat",
        provider_dialect="gemini",
        requested_model="gemini/gemini-2.5-flash",
        target_model="gemini-2.5-flash",
        served_model="gemini-2.5-flash",
        status=200,
        upstream_status=200,
        stop_reason="stop",
        attempt=1,
        id="01K9VJ2M1T6S7Q8Z2W0R4B5C6D",
        call_id="01K9VJ2M1T6S7Q8Z2W0R4B5C6D",
        correlation_id="5f0c2f5e-3f0a-4f5e-9a57-3c4b6f1d2e10",
        started_us=1_795_478_400_000_000,
        ended_us=1_795_478_401_204_000,
        usage=Usage(input_fresh=15, output_text=8, reasoning=21),
        upstream_us=1_203_000,
        overhead_us=310,
    )
    line = msgspec.json.format(encode_line(sample).rstrip()).decode()
    return "".join(
        [
            _INTRODUCTION,
            *_rows(UsageRecord),
            _USAGE,
            *_rows(Usage),
            f"\n## Example\n\nA line of the spool, spread out:\n\n```json\n{line}\n```\n",
        ]
    )


def _rows(struct: type[msgspec.Struct]) -> Iterator[str]:
    sentences = field_docs(struct)
    for field in msgspec.structs.fields(struct):
        sentence = sentences.get(field.name) or _MEANINGS[field.name]
        yield f"| `{field.name}` | {_kind(mi.type_info(field.type))} | {sentence} |\n"


def _kind(found: mi.Type) -> str:
    match found:
        case mi.StrType():
            return "text"
        case mi.IntType():
            return "whole number"
        case mi.BoolType():
            return "true or false"
        case mi.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case mi.VarTupleType(item_type=item):
            return f"list of {_kind(item)}"
        case mi.StructType():
            return "[usage](#usage)"
        case mi.Metadata(type=inner):
            return _kind(inner)
        case mi.UnionType(types=types):
            return " or ".join("absent" if isinstance(one, mi.NoneType) else _kind(one) for one in types)
        case _:
            raise TypeError(f"say how {found} is called on the page")


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == text
        print(f"{PAGE.name}: {'as the types say' if same else 'is not what the types say: run this tool'}")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
