"""Sizes of Tollway's files and functions, beside those of code bases it takes as examples.

    python tools/sizes.py [FOLDER]

A function's size is its lines from `def` to its end, docstring included and decorators not. It prints
and never fails: a reviewer decides what a long function is worth.
"""

import ast
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

SRC: Final = Path(__file__).resolve().parents[1] / "src" / "tollway"
LARGEST_SHOWN: Final = 5


class Sized(NamedTuple):
    """A file or a function, and its lines."""

    lines: int
    name: str


class Model(NamedTuple):
    """Another project, measured in the same way: file p50 and max, function p50, p90 and max."""

    name: str
    files: int
    file_p50: int
    file_max: int
    function_p50: int
    function_p90: int
    function_max: int


MODELS: Final = (
    Model("starlette", 34, 145, 876, 5, 27, 149),
    Model("h11", 22, 153, 659, 7, 39, 64),
    Model("import-linter", 40, 62, 498, 9, 30, 107),
    Model("httpx", 23, 248, 2019, 9, 34, 133),
    Model("httpcore", 31, 222, 592, 7, 30, 103),
    Model("warehouse", 287, 84, 1586, 8, 36, 764),
    Model("mitmproxy", 248, 113, 1893, 6, 26, 274),
    Model("sqlglot", 182, 164, 10480, 9, 34, 319),
)


def files_of(folder: Path) -> list[Sized]:
    """Measure every Python file below `folder` that has any lines."""
    sizes = (
        Sized(len(path.read_text("utf-8").splitlines()), str(path.relative_to(folder))) for path in folder.rglob("*.py")
    )
    return sorted(size for size in sizes if size.lines)


def functions_of(folder: Path) -> list[Sized]:
    """Measure every function and method below `folder`."""
    found: list[Sized] = []
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"), filename=str(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                found.append(Sized(lines, f"{path.relative_to(folder)}:{node.lineno} {node.name}"))
    return sorted(found)


def percentile(sizes: Sequence[Sized], share: float) -> int:
    """Give the size that `share` of `sizes` (sorted, not empty) do not exceed."""
    return sizes[min(len(sizes) - 1, int(share * len(sizes)))].lines


def table(files: Sequence[Sized], functions: Sequence[Sized]) -> Iterable[str]:
    """Write ours, then the models'."""
    row = "{:<14} {:>5}   {:>4} {:>4} {:>6}   {:>9}   {:>4} {:>4} {:>5}"
    yield f"{'':<14} {'':>5}   {'file lines':^16}   {'':>9}   {'function lines':^15}"
    yield row.format("", "files", "p50", "p90", "max", "functions", "p50", "p90", "max")
    ours = [percentile(files, 0.5), percentile(files, 0.9), files[-1].lines]
    inner = [percentile(functions, 0.5), percentile(functions, 0.9), functions[-1].lines]
    yield row.format("tollway", len(files), *ours, len(functions), *inner)
    for one in MODELS:
        yield row.format(
            one.name,
            one.files,
            one.file_p50,
            "",
            one.file_max,
            "",
            one.function_p50,
            one.function_p90,
            one.function_max,
        )


def largest(title: str, sizes: Sequence[Sized]) -> Iterable[str]:
    """Name the largest."""
    yield f"\nlargest {title}"
    for size in reversed(sizes[-LARGEST_SHOWN:]):
        yield f"{size.lines:>6}  {size.name}"


def main(arguments: Sequence[str]) -> int:
    """Print the tables."""
    folder = Path(arguments[0]) if arguments else SRC
    files, functions = files_of(folder), functions_of(folder)
    if not files or not functions:
        print(f"no functions in the Python files below {folder}", file=sys.stderr)
        return 2
    lines = [*table(files, functions), *largest("files", files), *largest("functions", functions)]
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
