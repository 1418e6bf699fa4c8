import msgspec

from tollway.config import resources
from tollway.config.field_docs import class_doc, field_docs


class Base(msgspec.Struct):
    """What it is,
    on two lines.

    More that nobody shows.
    """

    one: int = 0
    """The first."""
    bare: int = 0


class Child(Base):
    two: int = 0
    """The second,
    on two lines."""


def test_the_sentence_under_a_field_is_its_documentation() -> None:
    assert field_docs(Base) == {"one": "The first."}


def test_inherited_fields_keep_theirs() -> None:
    assert field_docs(Child) == {"one": "The first.", "two": "The second, on two lines."}


def test_a_class_is_described_by_its_first_paragraph() -> None:
    assert class_doc(Base) == "What it is, on two lines."


def test_a_struct_without_source_has_none() -> None:
    assert field_docs(msgspec.defstruct("Made", [("one", int)])) == {}


def test_every_field_an_operator_can_write_has_a_sentence() -> None:
    structs = [one for one in vars(resources).values() if isinstance(one, type) and issubclass(one, resources.Resource)]
    assert len(structs) > 20
    bare = [
        f"{one.__name__}.{name}" for one in structs for name in one.__struct_fields__ if name not in field_docs(one)
    ]
    assert bare == []
