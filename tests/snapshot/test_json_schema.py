from pathlib import Path
from typing import Any

import msgspec

from tollway.config.resources import Resources
from tollway.interfaces.secrets import Secret
from tollway.snapshot import plugins
from tollway.snapshot.json_schema import configuration_schema, configuration_schema_text, struct_schema

COMMITTED = Path(__file__).parents[2] / "schemas" / "tollway.schema.json"


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set[str]()
        return found.union(*(references(item) for item in value.values()))
    return set[str]().union(*(references(item) for item in value)) if isinstance(value, list) else set()


def test_the_committed_schema_is_the_one_the_code_makes() -> None:
    assert COMMITTED.read_text() == configuration_schema_text(), "run: tollway schema > schemas/tollway.schema.json"


def test_every_section_and_every_reference_is_defined() -> None:
    schema = configuration_schema()
    assert set(schema["$defs"]["Resources"]["properties"]) == set(Resources.__struct_fields__)
    assert {ref.removeprefix("#/$defs/") for ref in references(schema)} <= set(schema["$defs"])


def test_every_property_is_described() -> None:
    for name, definition in configuration_schema()["$defs"].items():
        whole = definition["anyOf"][1] if "anyOf" in definition else definition
        for key, schema in whole["properties"].items():
            assert schema.get("description"), f"{name}.{key}"


def test_every_policys_settings_are_in_it() -> None:
    schema = configuration_schema()
    rules = schema["$defs"]["PolicyUse"]["allOf"]
    assert [rule["if"]["properties"]["policy"]["const"] for rule in rules] == list(plugins.policy_ids())
    assert "keySelector" in schema["$defs"]["llm-token-rate-limit"]["properties"]


def test_what_must_be_given_and_what_may_not_is_said() -> None:
    definitions = configuration_schema()["$defs"]
    assert definitions["Route"]["required"] == ["name", "provider"]
    assert definitions["Route"]["additionalProperties"] is False
    assert definitions["Limits"]["properties"]["body_bytes"]["default"] == "32MiB"
    assert definitions["Timeouts"]["properties"]["first_byte"]["default"] == "2m"
    assert definitions["Gateway"]["properties"]["workers"]["minimum"] == 1


class Settings(msgspec.Struct):
    """Settings of one."""

    key: Secret
    """A key."""
    many: list[int] | None = None


def test_a_struct_alone_has_a_schema_and_its_secrets_are_references() -> None:
    schema = struct_schema(Settings)
    settings = schema["$defs"]["Settings"]
    assert schema["$ref"] == "#/$defs/Settings"
    assert settings["properties"]["key"]["pattern"].startswith(r"^\$\{")
    assert settings["properties"]["many"] == {
        "anyOf": [{"type": "array", "items": {"type": "integer"}}, {"type": "null"}]
    }
