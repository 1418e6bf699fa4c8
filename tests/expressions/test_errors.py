"""Messages: where, what, and short enough to read."""

from tollway.expressions.errors import ExpressionError, Unfit, quoted


def test_a_reading_error_names_the_column_first():
    error = ExpressionError("unexpected `+`", column=4)
    assert str(error) == "column 4: unexpected `+`"
    assert (error.column, error.part) == (4, None)


def test_an_evaluation_error_names_the_part_first():
    error = Unfit("needs a String, got Null").within("lower(payload.a)")
    assert str(error) == "`lower(payload.a)`: needs a String, got Null"
    assert (error.column, error.part) == (None, "lower(payload.a)")


def test_an_error_without_a_place_is_its_message():
    assert str(ExpressionError("longer than 10 characters")) == "longer than 10 characters"


def test_quoted_source_is_one_short_line():
    assert quoted("a\n  ++\tb") == "a ++ b"
    assert quoted("x" * 500) == "x" * 59 + "…"
