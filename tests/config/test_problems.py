import pytest

from tollway.config.problems import (
    ConfigError,
    ConfigErrors,
    Path,
    Position,
    Problems,
    did_you_mean,
    path_text,
    shown,
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        pytest.param((), "", id="the root"),
        pytest.param(("gateway",), "gateway", id="one key"),
        pytest.param(("llm_proxies", 2, "routes", 0, "provider"), "llm_proxies[2].routes[0].provider", id="indices"),
        pytest.param(("aliases", "gpt 5"), "aliases['gpt 5']", id="a key that is no word"),
    ],
)
def test_a_path_reads_like_the_place_it_names(path: Path, text: str) -> None:
    assert path_text(path) == text


def test_an_error_names_file_line_column_path_and_message() -> None:
    error = ConfigError("'x' is wrong", ("a", 0), Position("f.yaml", 3, 7))
    assert str(error) == "f.yaml:3:7: a[0]: 'x' is wrong"
    assert str(ConfigError("'x' is wrong", ("a",))) == "a: 'x' is wrong"


def test_errors_are_given_in_the_order_they_were_written() -> None:
    places = {("b",): Position("f", 9, 1), ("a",): Position("f", 2, 5), ("c",): Position("f", 2, 1)}
    problems = Problems(places.get)
    for path in places:
        problems.add(path, "wrong")
    with pytest.raises(ConfigErrors) as raised:
        problems.raise_if_any()
    assert [error.path for error in raised.value.errors] == [("c",), ("a",), ("b",)]


def test_a_problem_hides_what_only_follows_from_it() -> None:
    problems = Problems()
    problems.add(("a", 0), "not a mapping")
    problems.add(("a", 0), "again")
    problems.add(("a", 0, "name"), "missing")
    problems.add(("a", 1), "another")
    with pytest.raises(ConfigErrors, match=r"a\[0\]: not a mapping\na\[1\]: another\Z"):
        problems.raise_if_any()


def test_problems_without_any_let_pass() -> None:
    Problems().raise_if_any()


@pytest.mark.parametrize(
    ("path", "unsure"),
    [
        pytest.param(("routes",), True, id="the list itself"),
        pytest.param(("routes", 1), True, id="a whole item"),
        pytest.param(("routes", 1, "name"), True, id="an item's name"),
        pytest.param(("routes", 1, "weight"), False, id="another member of an item"),
        pytest.param(("clients",), False, id="elsewhere"),
    ],
)
def test_names_are_unsure_only_where_a_name_may_be_wrong(path: Path, unsure: bool) -> None:
    problems = Problems()
    problems.add(path, "wrong")
    assert problems.names_unsure(("routes",)) is unsure


def test_what_lies_below_a_place_touches_it() -> None:
    problems = Problems()
    problems.add(("a", "b"), "wrong")
    assert problems.touched(("a",))
    assert not problems.touched(("a", "c"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("opnai", "did you mean 'openai'?", id="two letters swapped"),
        pytest.param("OPENAI", "did you mean 'openai'?", id="other case"),
        pytest.param("zzz", "known here: gemini, openai", id="nothing near"),
    ],
)
def test_an_unknown_name_gets_the_nearest_or_all(name: str, hint: str) -> None:
    assert did_you_mean(name, ["openai", "gemini"]) == hint


def test_with_no_names_the_hint_says_so() -> None:
    assert did_you_mean("x", []) == "there is none"


def test_a_long_value_is_shown_short_and_on_one_line() -> None:
    text = shown("line\nbreak" * 50)
    assert len(text) <= 60
    assert "\n" not in text
