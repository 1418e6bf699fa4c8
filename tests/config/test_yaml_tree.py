import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.config.problems import ConfigErrors, Position
from tollway.config.yaml_tree import MAX_BYTES, MAX_DEPTH, Tree, parse_yaml, unfold


def read(text: str) -> Tree:
    node, duplicates = parse_yaml(text, "f.yaml")
    assert not duplicates
    assert node is not None
    return unfold(node)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        pytest.param("1", 1, id="integer"),
        pytest.param("-7", -7, id="negative"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("017", 17, id="a leading zero means nothing"),
        pytest.param("1.5", 1.5, id="fraction"),
        pytest.param("1e3", 1000.0, id="exponent"),
        pytest.param("true", True, id="true"),
        pytest.param("False", False, id="false"),
        pytest.param("~", None, id="tilde"),
        pytest.param("null", None, id="null"),
        pytest.param("", None, id="nothing"),
        pytest.param("on", "on", id="on is text"),
        pytest.param("yes", "yes", id="yes is text"),
        pytest.param("12:30", "12:30", id="no base sixty"),
        pytest.param("2026-01-01", "2026-01-01", id="a date is text"),
        pytest.param("1_000", "1_000", id="no underscores"),
        pytest.param("'1'", "1", id="quoted"),
        pytest.param('"true"', "true", id="double quoted"),
        pytest.param("!!str 1", "1", id="tagged as text"),
        pytest.param("|\n   a\n   b\n", "a\nb\n", id="block"),
        pytest.param("9" * 5000, "9" * 5000, id="too long for a number"),
    ],
)
def test_scalars_are_what_they_look_like(written: str, value: object) -> None:
    assert read(f"a: {written}").value == {"a": value}


def test_every_value_knows_its_place() -> None:
    tree = read("a:\n  - x: 1\n    y: [2, 3]\n")
    assert tree.locate(("a", 0, "x")) == Position("f.yaml", 2, 8)
    assert tree.locate(("a", 0, "y", 1)) == Position("f.yaml", 3, 12)
    assert tree.keys["a", 0, "y"] == Position("f.yaml", 3, 5)


def test_what_is_missing_is_placed_at_what_lacks_it() -> None:
    assert read("a:\n  b: 1\n").locate(("a", "c", 3)) == Position("f.yaml", 2, 3)


def test_keys_are_text_as_they_are_written() -> None:
    assert read("1: a\non: b\nnull: c\n").value == {"1": "a", "on": "b", "null": "c"}


def test_aliases_stand_for_what_they_name() -> None:
    assert read("a: &x {b: 1}\nc: *x\n").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_key_written_twice_is_reported_where_it_stands_again() -> None:
    _, duplicates = parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n", "f.yaml")
    assert [str(error) for error in duplicates] == [
        "f.yaml:4:3: the key 'c' stands here already, on line 3: remove one of the two",
        "f.yaml:5:1: the key 'a' stands here already, on line 1: remove one of the two",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a: 1\n---\nb: 2\n", "f.yaml:2:1: a second document", id="second document"),
        pytest.param("a: !!python/object:os.system x", "f.yaml:1:4: tags are not supported", id="tag on a scalar"),
        pytest.param("a: !thing {b: 1}", "f.yaml:1:4: tags are not supported", id="tag on a mapping"),
        pytest.param("? [a]\n: b\n", "f.yaml:1:3: keys are text", id="a list as key"),
        pytest.param("a: &x 1\n*x : 2\n", "f.yaml:2:1: keys are text", id="an alias as key"),
        pytest.param("a: *x\n", "f.yaml:1:4: the alias *x has no anchor", id="alias without anchor"),
        pytest.param("a: &x [*x]\n", "f.yaml:1:8: the alias *x stands inside", id="alias in itself"),
        pytest.param("a: &x {}\nb:\n  <<: *x\n", "f.yaml:3:3: merge keys", id="merge key"),
        pytest.param("a: [1,\n", "f.yaml:2:1: not YAML", id="list without end"),
        pytest.param("a:\n\t- b\n", "f.yaml:2:1: not YAML", id="tab"),
        pytest.param("a: \x07\n", "not YAML", id="control character"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(text: str, line: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        read(text)
    assert line in str(raised.value)


def test_depth_is_bounded() -> None:
    with pytest.raises(ConfigErrors, match=f"deeper than {MAX_DEPTH}"):
        read("[" * 100_000)


def test_depth_through_aliases_is_bounded() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5000)]
    with pytest.raises(ConfigErrors, match="once its aliases are unfolded"):
        read("\n".join(lines))


def test_what_aliases_unfold_to_is_bounded() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ConfigErrors, match="values once its aliases are unfolded"):
        read("\n".join(lines))


def test_size_is_bounded() -> None:
    with pytest.raises(ConfigErrors, match="split it"):
        read("a" * (MAX_BYTES + 1))


def test_many_keys_take_no_more_than_their_share() -> None:
    text = "\n".join(f"k{n}: {n}" for n in range(20_000))
    value = read(text).value
    assert isinstance(value, dict)
    assert len(value) == 20_000


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        node, _ = parse_yaml(text, "f.yaml")
        tree = None if node is None else unfold(node)
    except ConfigErrors:
        return
    assert tree is None or () in tree.values
