"""Texts for regular expressions."""

import re

import pytest

from tollway.testing.sim.patterns import match_for

PATTERNS = [
    "^abc$",
    "^[A-Z]{3}$",
    r"^\d{4}-\d{2}-\d{2}$",
    r"^[a-z_][a-z0-9_]*$",
    r"^(red|green|blue)$",
    r"^(?:\+\d{1,3})?\d{6,10}$",
    r"^#[0-9a-fA-F]{6}$",
    r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
    r"^v\d+(\.\d+){2}$",
    r"^(?P<year>\d{4})(?=-)-x$",
    r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$",
    r"^\$\d+\.\d{2}$",
    r"^[\]a]+$",
    r"^a+?b*?$",
    "",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_pattern_is_found_in_the_text_made_for_it(pattern):
    assert re.search(pattern, match_for(pattern))


def test_what_cannot_be_matched_gets_a_plain_text():
    assert match_for("^(?=b)a$") == "a"


def test_candidates_are_used_when_nothing_could_be_written():
    assert match_for(r"^(?=.*\d)(?=.*x).{5}$", candidates=["12x45"]) == "12x45"
