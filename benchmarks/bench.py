"""What every phase of the bench shares: the settings of a run, its report, its targets."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.report import Figure, Report
from benchmarks.targets import PEERS, Direct, Target, Tollway


class Settings(msgspec.Struct, frozen=True):
    """How a run is made."""

    peers: list[str]
    also: dict[str, str]
    with_tollway: bool
    turns: int
    seconds: float
    warm_seconds: float
    soak_minutes: float


class Bench:
    """One run: makes targets, collects figures and faults."""

    def __init__(self, settings: Settings, report: Report, folder: Path) -> None:
        self.settings = settings
        self.report = report
        self.folder = folder
        self._started = 0

    def tollways(self) -> list[Target]:
        """Tollway as it is here, and each other command it is compared with."""
        here = [Tollway(self.new_folder("tollway"))] if self.settings.with_tollway else []
        others = [
            Tollway(self.new_folder(name), name=name, command=command) for name, command in self.settings.also.items()
        ]
        return [*here, *others]

    def peers(self) -> list[Target]:
        """The peers asked for."""
        return [PEERS[name](self.new_folder(name)) for name in self.settings.peers]

    def rotation(self) -> list[Target]:
        """Everything that takes turns, in the order of the turns."""
        peers = self.peers()
        first = [peer for peer in peers if peer.name == "nginx"]
        rest = [peer for peer in peers if peer.name != "nginx"]
        return [Direct(self.new_folder("direct")), *first, *self.tollways(), *rest]

    def new_folder(self, name: str) -> Path:
        """An empty place for one process: its configuration, its data, its log."""
        self._started += 1
        folder = self.folder / f"{self._started:02d}-{name}"
        folder.mkdir(parents=True)
        return folder

    @contextmanager
    def running(self, targets: Sequence[Target], upstream_port: int) -> Generator[None]:
        """Keep targets running for a phase; what they find wrong with it goes into the report."""
        started: list[Target] = []
        try:
            for target in targets:
                target.start(upstream_port)
                started.append(target)
            yield
            for target in targets:
                self.report.wrong.extend(target.faults())
        finally:
            for target in started:
                target.stop()

    def add(self, load: str, target: str, metric: str, values: Sequence[float]) -> None:
        """Put a figure into the report, if there is anything to put."""
        if values:
            self.report.figures.append(Figure(load=load, target=target, metric=metric, values=list(values)))

    def add_wrong(self, load: str, target: str, faults: Sequence[str]) -> None:
        """Put wrong answers into the report: how many, and the first."""
        if faults:
            self.report.wrong.append(f"{load}, {target}: {len(faults)} wrong, first: {faults[0]}")


class Collected:
    """Values by target and metric, while a phase takes its turns."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], list[float]] = {}

    def take(self, target: str, metric: str, value: float) -> None:
        """Add one turn's value."""
        self._values.setdefault((target, metric), []).append(value)

    def hand_over(self, bench: Bench, load: str) -> None:
        """Put everything collected into the report."""
        for (target, metric), values in self._values.items():
            bench.add(load, target, metric, values)
