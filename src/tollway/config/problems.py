"""What is wrong with a configuration: every problem, each with its place and its mend, all at once.

Reading and compiling add to one `Problems`, so that an operator sees in one run everything there
is to mend; whoever needs a sound configuration calls `raise_if_any`.
"""

import re
from collections.abc import Callable, Collection
from difflib import get_close_matches
from typing import Final, TypeAlias

import msgspec

Path: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys and list indices from the root, `("llm_proxies", 2, "routes", 0)`."""

_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SHOWN_CHARACTERS: Final = 60


class Position(msgspec.Struct, frozen=True):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Locate: TypeAlias = Callable[[Path], Position | None]
"""Tells where a path was written; None where nobody wrote it down (the admin API)."""


class ConfigError(msgspec.Struct, frozen=True):
    """One thing that is wrong."""

    message: str
    """What was wrong and what would mend it; never a secret."""
    path: Path = ()
    position: Position | None = None

    def __str__(self) -> str:
        place = f"{self.position}: " if self.position is not None else ""
        where = f"{path_text(self.path)}: " if self.path else ""
        return f"{place}{where}{self.message}"


class ConfigErrors(Exception):
    """A configuration that is refused whole; `str()` gives one line an error."""

    def __init__(self, errors: tuple[ConfigError, ...]) -> None:
        """Hold the errors, in the order they were written."""
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class Problems:
    """Collects what is wrong while a configuration is read and compiled."""

    __slots__ = ("_errors", "_locate", "_locate_key", "_paths")

    def __init__(self, locate: Locate | None = None, locate_key: Locate | None = None) -> None:
        """Start with none; `locate` tells where a value was written, `locate_key` where its key was."""
        self._locate = locate
        self._locate_key = locate_key or locate
        self._errors: list[ConfigError] = []
        self._paths: set[Path] = set()

    def add(self, path: Path, message: str, *, at_key: bool = False) -> None:
        """Note a problem at `path`; one at or below another's place is a consequence of that one."""
        if any(path[:depth] in self._paths for depth in range(1, len(path) + 1)):
            return
        locate = self._locate_key if at_key else self._locate
        position = locate(path) if locate is not None else None
        self.add_at(position, message, path)

    def add_at(self, position: Position | None, message: str, path: Path = ()) -> None:
        """Note a problem whose position is already known."""
        if path:
            self._paths.add(path)
        self._errors.append(ConfigError(message, path, position))

    def touched(self, prefix: Path) -> bool:
        """True when something at or below `prefix` is wrong, so that nothing can be concluded from it."""
        depth = len(prefix)
        return any(path[:depth] == prefix for path in self._paths)

    def names_unsure(self, items: Path) -> bool:
        """True when the names in the list at `items` may not be what was meant, so that none can be missed."""
        depth = len(items)
        return any(
            items[: len(path)] == path
            or (path[:depth] == items and (len(path) == depth + 1 or path[depth + 1 :] == ("name",)))
            for path in self._paths
        )

    def raise_if_any(self) -> None:
        """Refuse the configuration when anything is wrong with it.

        Raises:
            ConfigErrors: all of it, ordered by file and line.
        """
        if self._errors:
            raise ConfigErrors(tuple(sorted(self._errors, key=_written_order)))


def path_text(path: Path) -> str:
    """Write a path as messages show it: `llm_proxies[2].routes[0].provider`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: object) -> str:
    """A value as messages quote it, short and on one line."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def did_you_mean(name: str, known: Collection[str], *, kind: str = "known here") -> str:
    """The end of a message about an unknown name: the nearest one, or all there are."""
    close = get_close_matches(name, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == name.lower()]
    if close:
        return f"did you mean {close[0]!r}?"
    return f"{kind}: {', '.join(sorted(known))}" if known else "there is none"


def _written_order(error: ConfigError) -> tuple[str, int, int]:
    position = error.position
    return (position.file, position.line, position.column) if position is not None else ("", 0, 0)
