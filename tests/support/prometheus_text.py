"""A strict reader of the Prometheus text format 0.0.4, written from the format's description.

It refuses what Prometheus would refuse or silently misread: lines out of their group, series that come twice, values
and escapes that are none, histograms whose buckets do not add up.
"""

import math
import re
from dataclasses import dataclass, field

Labels = frozenset[tuple[str, str]]

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_VALUE = re.compile(r"NaN|[+-]Inf|[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


@dataclass
class ReadFamily:
    name: str
    kind: str = "untyped"
    help: str | None = None
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


class MalformedError(ValueError):
    """The text is not in the format."""


def read(text: str) -> dict[str, ReadFamily]:
    """Read the text; raises `MalformedError`."""
    if text and not text.endswith("\n"):
        raise MalformedError("the last line has no line feed")
    families: dict[str, ReadFamily] = {}
    current: ReadFamily | None = None
    for line in text.split("\n")[:-1]:
        if not line:
            continue
        name = _family_name(line, current)
        if current is None or name != current.name:
            if name in families:
                raise MalformedError(f"the lines of {name} are not in one group")
            current = families[name] = ReadFamily(name)
        _line(line, current)
    for family in families.values():
        if family.kind == "histogram":
            _check_histogram(family)
    return families


def _family_name(line: str, current: ReadFamily | None) -> str:
    comment = re.match(r"# (?:HELP|TYPE) (\S+)", line)
    if comment:
        return comment[1]
    found = _NAME.match(line)
    if not found:
        raise MalformedError(f"no metric name: {line!r}")
    name = found[0]
    if current is not None and current.kind == "histogram":
        for suffix in ("_bucket", "_sum", "_count"):
            if name == current.name + suffix:
                return current.name
    return name


def _line(line: str, family: ReadFamily) -> None:
    if line.startswith("# HELP "):
        if family.help is not None or family.samples:
            raise MalformedError(f"HELP of {family.name} comes twice or late")
        family.help = _unescaped(line.split(" ", 3)[3], "\\n")
    elif line.startswith("# TYPE "):
        kind = line.split(" ", 3)[3]
        if kind not in _TYPES or family.kind != "untyped" or family.samples:
            raise MalformedError(f"TYPE of {family.name} is {kind!r}, comes twice or late")
        family.kind = kind
    else:
        name, labels, value = _sample(line)
        if (name, labels) in family.samples:
            raise MalformedError(f"{name} {set(labels)} comes twice")
        family.samples[name, labels] = value


def _sample(line: str) -> tuple[str, Labels, float]:
    found = _NAME.match(line)
    assert found is not None
    rest = line[found.end() :]
    labels: dict[str, str] = {}
    if rest.startswith("{"):
        rest = rest[1:]
        while not rest.startswith("}"):
            label = _LABEL.match(rest)
            if not label or not rest[label.end() :].startswith('="'):
                raise MalformedError(f"no label: {rest!r}")
            value = re.match(r'((?:[^"\\\n]|\\.)*)"', rest[label.end() + 2 :])
            if not value:
                raise MalformedError(f"no label value: {rest!r}")
            if label[0] in labels:
                raise MalformedError(f"label {label[0]} comes twice")
            labels[label[0]] = _unescaped(value[1], '\\n"')
            rest = rest[label.end() + 2 + value.end() :]
            if rest.startswith(","):
                rest = rest[1:]
            elif not rest.startswith("}"):
                raise MalformedError(f"no comma: {rest!r}")
        rest = rest[1:]
    if not rest.startswith(" ") or not _VALUE.fullmatch(rest[1:]):
        raise MalformedError(f"no value: {rest!r}")
    return found[0], frozenset(labels.items()), float(rest[1:].replace("Inf", "inf"))


def _unescaped(text: str, allowed: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] not in allowed:
            raise MalformedError(f"unknown escape {match[0]!r}")
        return "\n" if match[1] == "n" else match[1]

    return re.sub(r"\\(.?)", one, text, flags=re.DOTALL)


def _check_histogram(family: ReadFamily) -> None:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    for (name, labels), value in family.samples.items():
        if name == f"{family.name}_bucket":
            bound = dict(labels).get("le")
            if bound is None:
                raise MalformedError(f"a bucket of {family.name} has no le")
            rest = frozenset(pair for pair in labels if pair[0] != "le")
            buckets.setdefault(rest, []).append((float(bound.replace("Inf", "inf")), value))
        elif name not in {f"{family.name}_sum", f"{family.name}_count"}:
            raise MalformedError(f"{name} is no part of the histogram {family.name}")
    for labels, series in buckets.items():
        if [bound for bound, _ in series] != sorted({bound for bound, _ in series}) or series[-1][0] != math.inf:
            raise MalformedError(f"the bounds of {family.name} do not rise to +Inf")
        if [count for _, count in series] != sorted(count for _, count in series):
            raise MalformedError(f"the buckets of {family.name} are not cumulated")
        if family.samples.get((f"{family.name}_count", labels)) != series[-1][1]:
            raise MalformedError(f"the count of {family.name} is not its last bucket")
        if (f"{family.name}_sum", labels) not in family.samples:
            raise MalformedError(f"{family.name} has no sum")
    counted = {labels for name, labels in family.samples if name == f"{family.name}_count"}
    if counted != set(buckets):
        raise MalformedError(f"{family.name} has counts without buckets")
