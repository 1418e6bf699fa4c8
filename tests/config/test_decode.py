from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.config.decode import decode_struct
from tollway.config.problems import ConfigErrors, Path, Problems
from tollway.config.values import Duration, SecretReference
from tollway.interfaces.secrets import Secret


class Inner(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    shorthand: ClassVar[str] = "name"

    name: str
    """What it is called."""
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


class Cat(msgspec.Struct, tag="cat"):
    lives: int = 9


class Dog(msgspec.Struct, tag="dog"):
    tricks: int = 0


class Picky(msgspec.Struct, frozen=True):
    low: int = 0
    high: int = 0

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high: swap them")


class Outer(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    some_text: str = ""
    flag: bool = False
    ratio: Annotated[float, msgspec.Meta(gt=0)] = 1.0
    items: tuple[Inner, ...] = ()
    words: frozenset[str] = frozenset()
    texts: list[str] = []
    by_name: dict[str, int] = {}
    choice: Literal["red", "green"] = "red"
    wait: Duration = Duration(1)
    key: Secret = Secret("")
    at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    either: int | str = 0
    pet: Cat | Dog | None = None
    picky: Picky = Picky()
    anything: Any = None
    several: Annotated[tuple[int, ...], msgspec.Meta(min_length=2)] = (1, 2)


class Refuses(msgspec.Struct):
    name: str

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a name must not be empty")


class Required(msgspec.Struct):
    text: str
    number: int
    ratio: float
    flag: bool
    choice: Literal["red", "green"]
    listed: list[int]
    tupled: tuple[int, ...]
    unique: set[int]
    frozen: frozenset[str]
    mapped: dict[str, int]
    bounded: Annotated[str, msgspec.Meta(max_length=3)]
    maybe: int | None
    either: int | list[int]
    pets: list[Cat | Dog] | None
    measure: int | float
    colour: Literal["red", "green"] | list[str]
    named: Annotated[str, msgspec.Meta(extra={"mend": "is not small: write small letters"}, pattern="^[a-z]+$")] | int
    key: Secret
    wait: Duration
    at: datetime
    amount: Decimal
    inner: Inner
    refuses: Refuses
    anything: Any
    marked: Annotated[str, msgspec.Meta(extra={"mend": "is not small: write small letters"}, pattern="^[a-z]+$")]


def resolve(reference: SecretReference, path: Path) -> Secret:
    del path
    return Secret(f"value of {reference.name}")


def decode(value: object) -> Outer:
    problems = Problems()
    result = decode_struct(Outer, value, (), problems, resolve)
    problems.raise_if_any()
    return result


def test_every_kind_of_field_is_read() -> None:
    outer = decode(
        {
            "someText": "a",
            "flag": True,
            "ratio": 2,
            "items": [{"name": "x", "size": 3}, "y"],
            "words": ["b", "b"],
            "texts": ["t"],
            "byName": {"k": 1},
            "choice": "green",
            "wait": "2s",
            "key": "${env:KEY}",
            "at": "2027-01-31T00:00:00Z",
            "either": "text",
            "pet": {"type": "dog", "tricks": 3},
            "picky": {"low": 1, "high": 2},
            "anything": [{"x": 1}],
            "several": [1, 2, 3],
        }
    )
    assert outer == Outer(
        some_text="a",
        flag=True,
        ratio=2.0,
        items=(Inner("x", 3), Inner("y")),
        words=frozenset({"b"}),
        texts=["t"],
        by_name={"k": 1},
        choice="green",
        wait=Duration(2),
        key=Secret("value of KEY"),
        at=datetime(2027, 1, 31, tzinfo=UTC),
        either="text",
        pet=Dog(3),
        picky=Picky(1, 2),
        anything=[{"x": 1}],
        several=(1, 2, 3),
    )


def test_what_is_not_given_has_its_default() -> None:
    assert decode({}) == Outer()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        pytest.param([], "what is written here is not a mapping of `name: value`", id="not a mapping"),
        pytest.param({"sometext": "a"}, "sometext: unknown key; did you mean 'someText'?", id="unknown key"),
        pytest.param({"someText": 5}, "someText: 5 is not text: put quotes around it", id="number for text"),
        pytest.param({"someText": None}, "someText: empty: give text, or remove the key", id="nothing"),
        pytest.param({"someText": "${env:A}"}, "someText: references such as ${env:NAME} are resolved only", id="ref"),
        pytest.param({"flag": "yes"}, "flag: 'yes' is not true or false", id="text for truth"),
        pytest.param({"ratio": True}, "ratio: True is not a number", id="truth for number"),
        pytest.param({"ratio": 0}, "ratio: 0 is too small: it must be above 0", id="lower bound"),
        pytest.param({"items": [{"name": "a", "size": 0}]}, "items[0].size: 0 is too small: at least 1", id="small"),
        pytest.param({"items": [{"name": "a", "size": 10}]}, "items[0].size: 10 is too large: at most 9", id="large"),
        pytest.param({"items": [{}]}, "items[0].name: missing: add it (What it is called.)", id="missing"),
        pytest.param({"items": {}}, "items: {} is not a list", id="mapping for list"),
        pytest.param({"byName": {"k": "v"}}, "byName.k: 'v' is not a whole number", id="inside a mapping"),
        pytest.param({"choice": "rde"}, "choice: 'rde' is not one of green, red; did you mean 'red'?", id="choice"),
        pytest.param({"wait": 2}, "wait: 2 has no unit: write 2s", id="duration"),
        pytest.param({"key": "plain"}, "key: a secret may not be written here", id="plain secret"),
        pytest.param({"at": "tomorrow"}, "at: 'tomorrow' is not a time with its zone, such as", id="time"),
        pytest.param({"at": "2027-01-31T00:00:00"}, "at: '2027-01-31T00:00:00' is not a time with", id="no zone"),
        pytest.param({"either": []}, "either: [] is not a whole number or text", id="none of several"),
        pytest.param({"pet": {"type": "cow"}}, "pet.type: Invalid value 'cow'", id="tagged union"),
        pytest.param({"picky": {"low": 2, "high": 1}}, "picky: low is above high: swap them", id="own check"),
        pytest.param({"several": [1]}, "several: too few: at least 2 must be given", id="too few"),
    ],
)
def test_each_mistake_is_named_with_its_place_and_mend(value: object, line: str) -> None:
    with pytest.raises(ConfigErrors) as raised:
        decode(value)
    assert str(raised.value).startswith(line)
    assert len(raised.value.errors) == 1


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigErrors) as raised:
        decode({"flag": 1, "items": [{"nmae": "a"}, 5, {"name": 7}], "choice": 3, "extra": 0})
    assert [error.path for error in raised.value.errors] == [
        ("extra",),
        ("flag",),
        ("items", 0, "nmae"),
        ("items", 0, "name"),
        ("items", 1, "name"),
        ("items", 2, "name"),
        ("choice",),
    ]


def test_what_is_wrong_leaves_the_rest_readable_and_the_indices_true() -> None:
    problems = Problems()
    outer = decode_struct(Outer, {"items": [{"size": 5}, {"name": "b"}], "flag": 7}, (), problems)
    assert [item.size for item in outer.items] == [5, 1]
    assert outer.items[1].name == "b"
    assert outer.flag is False


def test_everything_missing_is_named_and_something_of_its_type_stands_in() -> None:
    problems = Problems()
    result = decode_struct(Required, {}, (), problems, resolve)
    assert (result.text, result.number, result.flag, result.choice) == ("", 0, False, "green")
    assert (result.listed, result.tupled, result.frozen, result.mapped) == ([], (), frozenset(), {})
    assert (result.maybe, result.either, result.pets, result.key, result.wait) == (None, 0, None, Secret(""), 0)
    assert (result.inner, result.anything) == (Inner(""), None)
    with pytest.raises(ConfigErrors) as raised:
        problems.raise_if_any()
    assert [error.path for error in raised.value.errors] == [(name,) for name in Required.__struct_fields__]


@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        pytest.param("unique", [1, "a"], "unique[1]: 'a' is not a whole number", id="in a set"),
        pytest.param("unique", 5, "unique: 5 is not a list", id="no set"),
        pytest.param("bounded", "long", "bounded: Expected `str` of length <= 3", id="length"),
        pytest.param("either", "x", "either: 'x' is not a whole number or a list", id="neither of two"),
        pytest.param("pets", [{"type": "cow"}], "pets[0].type: Invalid value 'cow'", id="inside a list of choices"),
        pytest.param("pets", [5], "pets[0]: 5 is not a mapping of `name: value`", id="none of the choices"),
        pytest.param("measure", "x", "measure: 'x' is not a whole number or a number", id="no number"),
        pytest.param("colour", {}, "colour: {} is not one of green, red or a list", id="no colour"),
        pytest.param("named", "BIG", "named: 'BIG' is not small: write small letters", id="words in a choice"),
        pytest.param("named", [], "named: [] is not text or a whole number", id="none of the choice"),
        pytest.param("amount", "x", "amount: Invalid decimal string", id="decimal"),
        pytest.param("inner", {"name": 5}, "inner.name: 5 is not text: put quotes around it", id="inside"),
        pytest.param("refuses", {"name": ""}, "refuses: a name must not be empty", id="its own check"),
        pytest.param("marked", "BIG", "marked: 'BIG' is not small: write small letters", id="in the field's words"),
        pytest.param("marked", 5, "marked: 5 is not text: put quotes around it", id="no text"),
        pytest.param("marked", "${env:A}", "marked: references such as", id="a reference"),
        pytest.param("choice", True, "choice: True is not one of green, red", id="no choice"),
    ],
)
def test_one_wrong_field_is_named_alone(field: str, value: object, line: str) -> None:
    good: dict[str, object] = {
        "text": "a",
        "number": 1,
        "ratio": 1,
        "flag": True,
        "choice": "red",
        "listed": [1],
        "tupled": [1],
        "unique": [1, 1],
        "frozen": ["a"],
        "mapped": {"a": 1},
        "bounded": "abc",
        "maybe": None,
        "either": [1],
        "pets": [{"type": "cat"}, {"type": "dog"}],
        "measure": 2,
        "colour": "red",
        "named": "small",
        "key": Secret("a"),
        "wait": "1s",
        "at": "2027-01-31T00:00:00Z",
        "amount": "1.5",
        "inner": "short",
        "refuses": {"name": "x"},
        "anything": None,
        "marked": "small",
    }
    problems = Problems()
    result = decode_struct(Required, good, (), problems, resolve)
    problems.raise_if_any()
    assert (result.unique, result.pets, result.inner) == ({1}, [Cat(), Dog()], Inner("short"))
    assert (result.amount, result.key, result.marked) == (Decimal("1.5"), Secret("a"), "small")
    decode_struct(Required, {**good, field: value}, (), problems, resolve)
    with pytest.raises(ConfigErrors) as raised:
        problems.raise_if_any()
    assert str(raised.value).startswith(line)
    assert len(raised.value.errors) == 1


class Tree(msgspec.Struct):
    name: str = ""
    below: list["Tree"] = []


def test_a_struct_may_hold_itself() -> None:
    problems = Problems()
    tree = decode_struct(Tree, {"below": [{"name": "a", "below": [{"name": 5}]}, 7]}, (), problems)
    assert tree.below[0].name == "a"
    with pytest.raises(ConfigErrors) as raised:
        problems.raise_if_any()
    assert [error.path for error in raised.value.errors] == [("below", 0, "below", 0, "name"), ("below", 1)]


class Versions(msgspec.Struct):
    version: Literal["1.2", "1.3"] = "1.2"
    number: Literal[1, 2] = 1


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ({"version": 1.3}, "version: 1.3 is a number: put quotes around it, '1.3'"),
        ({"number": "1"}, "number: '1' is text: write 1 without quotes"),
        ({"version": ["1.2"]}, "version: ['1.2'] is not one of 1.2, 1.3"),
    ],
    ids=["a number for text", "text for a number", "a list"],
)
def test_a_choice_of_the_wrong_type_is_told_apart(value: object, line: str) -> None:
    problems = Problems()
    decode_struct(Versions, value, (), problems)
    with pytest.raises(ConfigErrors) as raised:
        problems.raise_if_any()
    assert str(raised.value) == line


@pytest.mark.parametrize("value", ["sk-secret", ["sk-secret"], {"a": "sk-secret"}, 5])
def test_what_may_be_a_secret_is_never_quoted(value: object) -> None:
    problems = Problems()
    decode_struct(Outer, {"key": value}, (), problems, resolve)
    with pytest.raises(ConfigErrors) as raised:
        problems.raise_if_any()
    assert "sk-secret" not in str(raised.value)


def test_without_sources_secrets_are_refused() -> None:
    problems = Problems()
    decode_struct(Outer, {"key": "${env:A}"}, (), problems)
    with pytest.raises(ConfigErrors, match="secrets cannot be read here"):
        problems.raise_if_any()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
FIELDS = [field.encode_name for field in msgspec.structs.fields(Outer)]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_any_value_is_read_as_msgspec_would_or_named(value: dict[str, object]) -> None:
    problems = Problems()
    result = decode_struct(Outer, value, (), problems, resolve)
    assert isinstance(result, Outer)
