"""A text that matches a regular expression of the kind found in JSON schemas.

Understands literals, escapes, classes, groups, alternation and repetition; that is what
`pattern` members use. Whatever it makes is checked against the pattern before it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

ESCAPES: Final = {"d": "7", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a", "n": "\n", "t": "\t"}
CANDIDATES: Final = ("a", "7", "A", "abc", "ABC", "12.34", "a1", "A1", "abc-123", "+15550100")
ALPHABET: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. "


def match_for(pattern: str, *, candidates: Iterable[str] = ()) -> str:
    """A text in which `pattern` is found; "a" when none could be made."""
    made = _Writer(pattern).write()
    for text in (made, *candidates, *CANDIDATES):
        if re.search(pattern, text) is not None:
            return text
    return "a"


class _Writer:
    """Walks the pattern once and writes the shortest plain text for it."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at: int = 0

    def write(self) -> str:
        text = self._branch()
        while self._at < len(self._pattern):
            # An unbalanced closing parenthesis: step over it, the check will tell.
            self._at += 1
            text += self._branch()
        return text

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _branch(self) -> str:
        """One alternative up to `|`, `)` or the end; further alternatives are skipped."""
        text = ""
        while self._peek() not in {"", "|", ")"}:
            atom = self._atom()
            text += atom * self._times()
        while self._peek() == "|":
            self._at += 1
            self._branch()
        return text

    def _atom(self) -> str:
        character = self._peek()
        self._at += 1
        match character:
            case "^" | "$":
                return ""
            case ".":
                return "a"
            case "\\":
                return self._escape()
            case "[":
                return self._class()
            case "(":
                return self._group()
            case _:
                return character

    def _escape(self) -> str:
        character = self._peek()
        self._at += 1
        return "" if character in {"b", "B", "A", "Z"} else ESCAPES.get(character, character)

    def _class(self) -> str:
        start = self._at
        if self._peek() == "^":
            self._at += 1
        if self._peek() == "]":
            self._at += 1
        while self._peek() not in {"", "]"}:
            self._at += 2 if self._peek() == "\\" else 1
        inside = self._pattern[start : self._at]
        self._at += 1
        choice = re.compile(f"[{inside}]")
        return next((one for one in ALPHABET if choice.match(one)), "~")

    def _group(self) -> str:
        silent = False
        if self._peek() == "?":
            marker = re.compile(r"\?(?:P?<[A-Za-z]\w*>|:|=|!|<=|<!)").match(self._pattern, self._at)
            if marker is not None:
                # Look-around adds no text of its own.
                silent = marker.group() in {"?=", "?!", "?<=", "?<!"}
                self._at = marker.end()
        text = self._branch()
        self._at += 1
        return "" if silent else text

    def _times(self) -> int:
        counted = re.compile(r"\{(\d+)(?:,\d*)?\}").match(self._pattern, self._at)
        times = 1
        if counted is not None:
            self._at = counted.end()
            times = int(counted.group(1))
        elif self._peek() in {"*", "?", "+"}:
            times = 1 if self._peek() == "+" else 0
            self._at += 1
        else:
            return 1
        if self._peek() == "?":
            self._at += 1
        return min(times, 200)
