"""What a run found: figures, the verdict on each target the project has set itself, tables.

Pure: takes values, gives values and text. A figure keeps every turn's value; tables show the
median, and the JSON file has them all.
"""

import statistics
from collections.abc import Sequence

import msgspec

TOLLWAY = "tollway"


class Figure(msgspec.Struct, frozen=True):
    """One metric of one target under one load: a value for each turn."""

    load: str
    target: str
    metric: str
    values: list[float]

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)


class Goal(msgspec.Struct, frozen=True):
    """What the project wants of a figure: at most, or at least, so much.

    With `over`, the figure wanted is the ratio of Tollway's to that target's; with `under`
    the inverse: how many times less Tollway needs than that target.
    """

    text: str
    load: str
    metric: str
    limit: float
    at_least: bool = False
    over: str | None = None
    under: str | None = None


class Verdict(msgspec.Struct, frozen=True):
    """A goal, what was measured, and whether it was met."""

    goal: str
    limit: str
    measured: float
    met: bool


class Report(msgspec.Struct):
    """Everything one run has to say."""

    started: str
    commit: str
    machine: str
    settings: dict[str, str]
    figures: list[Figure] = msgspec.field(default_factory=list[Figure])
    notes: list[str] = msgspec.field(default_factory=list[str])
    wrong: list[str] = msgspec.field(default_factory=list[str])
    verdicts: list[Verdict] = msgspec.field(default_factory=list[Verdict])


JSON_2K_32 = "JSON 2 KB, 32 connections"
JSON_2K_256 = "JSON 2 KB, 256 connections"
JSON_50K_32 = "JSON 50 KB, 32 connections"
PACED = "paced streams"
BURST = "burst streams"
ONE_AT_A_TIME = "one request in flight"
STREAM_START = "one stream in flight"
LIFE = "start and idle"
WORKERS = "two workers and one"
CROWD = "2,000 streams at once"
SOAK = "soak"

CPU_US = "CPU µs/request"
CPU_CHUNK_US = "CPU µs/chunk"
ADDED_P50_US = "added p50 µs"
ADDED_FIRST_BYTE_US = "added first byte p50 µs"
LARGEST_MB = "largest process MB"
READY_S = "ready s"
CAPACITY_RATIO = "capacity, x one worker"
COMPLETE_SHARE = "complete share"
GROWTH_MB = "growth MB per 10 min"

GOALS = [
    *(
        Goal(f"CPU per request, x nginx: {load}", load, CPU_US, 3.0, over="nginx")
        for load in (JSON_2K_32, JSON_2K_256, JSON_50K_32)
    ),
    Goal("LiteLLM's CPU per request, x Tollway's", JSON_2K_32, CPU_US, 50, at_least=True, under="litellm"),
    Goal("Portkey's CPU per request, x Tollway's", JSON_2K_32, CPU_US, 15, at_least=True, under="portkey"),
    Goal("CPU per paced chunk, x nginx", PACED, CPU_CHUNK_US, 1.3, over="nginx"),
    Goal("CPU per chunk that comes with others, µs", BURST, CPU_CHUNK_US, 1.0),
    Goal("added p50 at low rate, x nginx", ONE_AT_A_TIME, ADDED_P50_US, 2.0, over="nginx"),
    Goal(
        "added time to first byte of a stream, x nginx",
        STREAM_START,
        ADDED_FIRST_BYTE_US,
        2.0,
        over="nginx",
    ),
    Goal("idle worker, MB", LIFE, LARGEST_MB, 100),
    Goal("start to ready, s", LIFE, READY_S, 2.0),
    Goal("two workers, x one", WORKERS, CAPACITY_RATIO, 1.8, at_least=True),
    Goal("2,000 streams at once, share complete", CROWD, COMPLETE_SHARE, 1.0, at_least=True),
    Goal("memory growth in the soak, MB per 10 min", SOAK, GROWTH_MB, 3.0),
]


def judge(figures: Sequence[Figure], goals: Sequence[Goal] = GOALS) -> list[Verdict]:
    """The verdict on every goal whose figures were measured."""
    medians = {(figure.load, figure.target, figure.metric): figure.median for figure in figures}
    verdicts: list[Verdict] = []
    for goal in goals:
        own = medians.get((goal.load, TOLLWAY, goal.metric))
        peer = medians.get((goal.load, goal.over or goal.under or TOLLWAY, goal.metric))
        if own is None or peer is None:
            continue
        measured = _compare(goal, own, peer)
        met = measured >= goal.limit if goal.at_least else measured <= goal.limit
        limit = f"{'≥' if goal.at_least else '≤'} {goal.limit:g}"
        verdicts.append(Verdict(goal=goal.text, limit=limit, measured=measured, met=met))
    return verdicts


def _compare(goal: Goal, own: float, peer: float) -> float:
    if goal.over is not None:
        return own / peer if peer > 0 else float("inf")
    if goal.under is not None:
        return peer / own if own > 0 else float("inf")
    return own


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much the second value grows per unit of the first: the least-squares line."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression([x for x, _ in points], [y for _, y in points]).slope


def number(value: float) -> str:
    """A figure as a reader wants it: three digits that mean something."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(report: Report) -> str:
    """The whole report as Markdown."""
    lines = [
        "# Tollway bench",
        "",
        f"{report.started} · commit {report.commit} · {report.machine}",
        "",
        " · ".join(f"{name} {value}" for name, value in report.settings.items()),
        "",
        "Medians of the turns; figures of one run compare with each other and with no other run.",
    ]
    for load in dict.fromkeys(figure.load for figure in report.figures):
        chosen = [figure for figure in report.figures if figure.load == load]
        lines += ["", f"## {load}", "", *_table(chosen)]
    if report.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in report.notes)]
    if report.verdicts:
        lines += ["", "## Verdicts", "", *_verdict_table(report.verdicts)]
    lines += ["", "## Wrong answers", ""]
    lines += [f"- {fault}" for fault in report.wrong] or ["None."]
    return "\n".join(lines) + "\n"


def _table(figures: Sequence[Figure]) -> list[str]:
    metrics = list(dict.fromkeys(figure.metric for figure in figures))
    targets = list(dict.fromkeys(figure.target for figure in figures))
    medians = {(figure.target, figure.metric): figure.median for figure in figures}
    heads = ["target"]
    for metric in metrics:
        heads.append(metric)
        if _has_ratio(metric) and ("nginx", metric) in medians:
            heads.append("x nginx")
    lines = [_row(heads), _row(["---", *["--:"] * (len(heads) - 1)])]
    for target in targets:
        cells = [target]
        for metric in metrics:
            value = medians.get((target, metric))
            cells.append("" if value is None else number(value))
            reference = medians.get(("nginx", metric))
            if _has_ratio(metric) and reference is not None:
                is_ratio = value is not None and reference > 0
                cells.append(number(value / reference) if is_ratio and value is not None else "")
        lines.append(_row(cells))
    return lines


def _has_ratio(metric: str) -> bool:
    return metric in {CPU_US, CPU_CHUNK_US, ADDED_P50_US, ADDED_FIRST_BYTE_US}


def _verdict_table(verdicts: Sequence[Verdict]) -> list[str]:
    lines = [_row(["goal", "limit", "measured", ""]), _row(["---", "--:", "--:", "---"])]
    lines += [_row([verdict.goal, verdict.limit, number(verdict.measured), word(verdict)]) for verdict in verdicts]
    return lines


def word(verdict: Verdict) -> str:
    """The verdict in one word."""
    return "met" if verdict.met else "MISSED"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
