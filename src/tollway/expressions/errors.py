"""What can go wrong with an expression, when it is read and when it is evaluated.

These are not `TollwayError`s: their text quotes the configuration, which no stranger may see, so
whoever evaluates an expression decides what its caller is told. They never quote a value.
"""

_QUOTED_CHARACTERS = 60


class ExpressionError(Exception):
    """An expression that cannot be read, or that meets a value it cannot work on."""

    def __init__(self, message: str, *, column: int | None = None, part: str | None = None) -> None:
        """Say what was wrong and what would mend it.

        Args:
            message: what was wrong, and the mend.
            column: where in the text, counted from 1; only for text that cannot be read.
            part: the source of the part that failed; only for values that do not fit.
        """
        where = f"column {column}: " if column is not None else f"`{quoted(part)}`: " if part is not None else ""
        super().__init__(where + message)
        self.column = column
        self.part = part


class Unfit(Exception):
    """A value of the wrong type or form for an operator, selector or function."""

    def within(self, part: str) -> ExpressionError:
        """The same complaint, saying which part of the expression made it."""
        return ExpressionError(str(self), part=part)


def quoted(source: str) -> str:
    """Source text on one line, short enough for a message."""
    line = " ".join(source.split())
    return line if len(line) <= _QUOTED_CHARACTERS else line[: _QUOTED_CHARACTERS - 1] + "…"
