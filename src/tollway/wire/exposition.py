"""Metrics on their way out: families of several processes, merged, as Prometheus text (version 0.0.4).

A process packs its families into bytes; whoever answers a scrape merges the packs of all processes. Counters and
histograms are added, gauges as their family says.

Source: "Exposition formats" of the Prometheus documentation.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import add
from typing import Final, Literal

import msgspec

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]
Combine = Literal["sum", "max", "min"]


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One value of a counter or gauge."""

    labels: Labels
    value: float


class Buckets(msgspec.Struct, frozen=True, gc=False):
    """One histogram: counts a bucket, not cumulated, with one more than there are bounds."""

    labels: Labels
    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float
    """Sum of all values."""


class Family(msgspec.Struct, frozen=True):
    """A metric with all its series."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    combine: Combine = "sum"
    """How the gauges of several processes become one."""
    samples: Sequence[Sample] = ()
    histograms: Sequence[Buckets] = ()


def pack(families: Iterable[Family]) -> bytes:
    """Write the families of one process for `merge`."""
    return _pack(list(families))


def unpack(data: bytes) -> list[Family]:
    """Read what `pack` wrote.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    return _unpack(data)


def merge(packs: Iterable[Iterable[Family]]) -> list[Family]:
    """Make one list of the families of several processes, in the order of first appearance."""
    merged: dict[str, Family] = {}
    samples: dict[str, dict[Labels, float]] = {}
    histograms: dict[str, dict[Labels, Buckets]] = {}
    for families in packs:
        for family in families:
            merged.setdefault(family.name, family)
            series = samples.setdefault(family.name, {})
            for sample in family.samples:
                have = series.get(sample.labels)
                more = sample.value
                series[sample.labels] = more if have is None else _COMBINE[family.combine](have, more)
            buckets = histograms.setdefault(family.name, {})
            for histogram in family.histograms:
                known = buckets.get(histogram.labels)
                buckets[histogram.labels] = histogram if known is None else _added(known, histogram)
    return [
        msgspec.structs.replace(
            family,
            samples=[Sample(labels, value) for labels, value in samples[name].items()],
            histograms=list(histograms[name].values()),
        )
        for name, family in merged.items()
    ]


def render(families: Iterable[Family]) -> bytes:
    """Write the families, in the order given; families without series are left out."""
    lines: list[str] = []
    for family in families:
        if not family.samples and not family.histograms:
            continue
        lines.append(f"# HELP {family.name} {_escaped_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.kind}")
        lines += [f"{family.name}{_braces(sample.labels)} {number(sample.value)}" for sample in family.samples]
        for histogram in family.histograms:
            _histogram(family.name, histogram, lines)
    return "".join(line + "\n" for line in lines).encode()


def number(value: float) -> str:
    """Write a value: whole numbers without a fraction, and Prometheus' own words for the odd ones."""
    if value != value:  # noqa: PLR0124 - the one value that is not itself
        return "NaN"
    if value in _ODD:
        return _ODD[value]
    return str(int(value)) if value == int(value) and abs(value) < 1 << 53 else repr(float(value))


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(list[Family]).decode
_COMBINE: Final[Mapping[Combine, Callable[[float, float], float]]] = {"sum": add, "max": max, "min": min}
_ODD: Final[Mapping[float, str]] = {float("inf"): "+Inf", float("-inf"): "-Inf"}


def _added(one: Buckets, other: Buckets) -> Buckets:
    if one.bounds != other.bounds:
        # Two versions of one program side by side, for the length of an upgrade: the newer bounds will win.
        return other
    counts = tuple([mine + its for mine, its in zip(one.counts, other.counts, strict=True)])
    return Buckets(one.labels, one.bounds, counts, one.total + other.total)


def _histogram(name: str, histogram: Buckets, lines: list[str]) -> None:
    cumulated = 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        cumulated += count
        labels = _braces((*histogram.labels, ("le", number(bound))))
        lines.append(f"{name}_bucket{labels} {cumulated}")
    lines.append(f"{name}_sum{_braces(histogram.labels)} {number(histogram.total)}")
    lines.append(f"{name}_count{_braces(histogram.labels)} {cumulated}")


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _escaped_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")
