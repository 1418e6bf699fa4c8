from collections.abc import Mapping
from pathlib import Path

import pytest

from tollway.config.problems import ConfigErrors, Problems
from tollway.config.resources import Resources
from tollway.config.secret_sources import EnvironmentSource
from tollway.config.values import SecretReference
from tollway.interfaces.secrets import SecretSource
from tollway.snapshot.compilation import Compilation


def compilation(environ: Mapping[str, str]) -> Compilation:
    secrets: dict[str, SecretSource] = {"env": EnvironmentSource(environ)}
    return Compilation(Resources(), secrets=secrets, folder=Path("/etc/t"), problems=Problems(), warn=lambda _: None)


def errors(one: Compilation) -> str:
    with pytest.raises(ConfigErrors) as raised:
        one.problems.raise_if_any()
    return str(raised.value)


def test_a_secret_is_read_or_named_as_missing() -> None:
    one = compilation({"A": "x"})
    assert one.secret(SecretReference.parse("${env:A}"), ("a",)).reveal() == "x"
    assert one.secret(SecretReference.parse("${env:B}"), ("b",)).reveal() == ""
    assert errors(one).startswith("b: the environment variable B is not set")


def test_an_unknown_name_is_a_problem_unless_a_mistake_explains_it() -> None:
    one = compilation({})
    assert one.named("a", ["a"], ("x",), kind="a route", among=("routes",))
    assert not one.named("b", ["a"], ("y",), kind="a route", among=("routes",))
    one.problems.add(("clients", 0), "not a mapping")
    assert not one.named("c", [], ("z",), kind="a client", among=("clients",))
    assert errors(one) == "y: 'b' is not a route; known here: a\nclients[0]: not a mapping"


def test_names_must_differ_but_missing_ones_are_not_the_same() -> None:
    one = compilation({})
    one.unique(["a", "", "", "b", "a"], ("routes",), "name")
    assert errors(one) == "routes[4].name: 'a' is the name of routes[0] already: give each its own"


def test_files_are_found_from_the_configurations_folder() -> None:
    one = compilation({})
    assert one.file("a/b.pem") == Path("/etc/t/a/b.pem")
    assert one.file("/b.pem") == Path("/b.pem")
