"""The JSON Schema of configuration files, with every policy's settings: for editors, forms and checks elsewhere.

It is made from the same types and sentences as the loader and the reference page. What it cannot
say (names that refer to each other, files that must exist) `tollway check` does.
"""

from typing import Any, Final, cast

import msgspec
from msgspec import inspect as mi

from tollway.config.field_docs import class_doc, field_docs
from tollway.config.resources import PolicyUse, Resources
from tollway.config.values import WRITTEN_KINDS, SecretReference
from tollway.core.json_value import JsonObject
from tollway.interfaces.secrets import Secret
from tollway.snapshot import plugins

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def configuration_schema_text() -> str:
    """The schema of a whole file, as text with two spaces of indent."""
    return msgspec.json.format(msgspec.json.encode(configuration_schema()), indent=2).decode() + "\n"


def configuration_schema() -> JsonObject:
    """The schema of a whole file."""
    builder = _Builder()
    root = builder.struct(Resources)
    policies = [plugins.policy_type(policy_id) for policy_id in plugins.policy_ids()]
    use = builder.definitions[PolicyUse.__name__]
    use["properties"]["policy"]["examples"] = [policy.id for policy in policies]
    use["allOf"] = [
        {
            "if": {"properties": {"policy": {"const": policy.id}}},
            "then": {"properties": {"config": builder.struct(policy.config_type, name=policy.id)}},
        }
        for policy in policies
    ]
    provider = builder.definitions["Route"]["properties"]["provider"]
    provider["examples"] = list(plugins.provider_names())
    return {"$schema": _DIALECT, "title": "Tollway configuration", **root, "$defs": builder.definitions}


def struct_schema(struct: type[msgspec.Struct]) -> JsonObject:
    """The schema of one Struct, such as a policy's settings, standing alone."""
    builder = _Builder()
    root = builder.struct(struct, name=struct.__name__)
    return {"$schema": _DIALECT, **root, "$defs": builder.definitions}


class _Builder:
    """Collects the definitions that a schema refers to."""

    def __init__(self) -> None:
        self.definitions: dict[str, JsonObject] = {}
        self._names: dict[type, str] = {}

    def struct(self, struct: type[msgspec.Struct], *, name: str = "") -> JsonObject:
        """A reference to the definition of `struct`, made when it is first asked for."""
        known = self._names.get(struct)
        if known is None:
            known = self._names[struct] = name or struct.__name__
            self.definitions[known] = {}
            self.definitions[known] = self._definition(cast("mi.StructType", mi.type_info(struct)), known)
        return {"$ref": f"#/$defs/{known}"}

    def _definition(self, kind: mi.StructType, name: str) -> JsonObject:
        docs = field_docs(kind.cls)
        properties: dict[str, JsonObject] = {}
        for field in kind.fields:
            schema = self.kind(field.type, within=name)
            if field.name in docs:
                schema = {**schema, "description": docs[field.name]}
            default = _default(field)
            properties[field.encode_name] = schema if default is None else {**schema, "default": default}
        required = [field.encode_name for field in kind.fields if field.required]
        definition: JsonObject = {
            "type": "object",
            "description": class_doc(kind.cls),
            "properties": properties,
            "additionalProperties": not kind.forbid_unknown_fields,
        }
        if required:
            definition["required"] = required
        shorthand = getattr(kind.cls, "shorthand", None)
        if isinstance(shorthand, str):
            return {"anyOf": [properties[shorthand], definition]}
        return definition

    @staticmethod
    def _name(struct: type, within: str) -> str:
        """Policies are written apart, so their Structs may have the same names: the policy's id goes before."""
        own = struct.__module__ == Resources.__module__
        return struct.__name__ if own else f"{within.partition('.')[0]}.{struct.__name__}"

    def kind(self, kind: mi.Type, *, within: str) -> JsonObject:
        """The schema of one type; `within` names the definition it stands in."""
        match kind:
            case mi.Metadata():
                return {**self.kind(kind.type, within=within), **cast("JsonObject", kind.extra_json_schema or {})}
            case mi.StructType():
                return self.struct(kind.cls, name=self._name(kind.cls, within))
            case mi.CustomType():
                return _custom(kind.cls)
            case mi.UnionType():
                return {"anyOf": [self.kind(one, within=within) for one in kind.types]}
            case mi.LiteralType():
                return {"enum": list(kind.values)}
            case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
                sizes = {"minItems": kind.min_length, "maxItems": kind.max_length}
                return {"type": "array", "items": self.kind(kind.item_type, within=within), **_given(sizes)}
            case mi.DictType():
                return {"type": "object", "additionalProperties": self.kind(kind.value_type, within=within)}
            case _:
                return _scalar(kind)


def _scalar(kind: mi.Type) -> JsonObject:
    match kind:
        case mi.StrType():
            sizes = {"minLength": kind.min_length, "maxLength": kind.max_length, "pattern": kind.pattern}
            return {"type": "string", **_given(sizes)}
        case mi.IntType() | mi.FloatType():
            bounds = {
                "minimum": kind.ge,
                "maximum": kind.le,
                "exclusiveMinimum": kind.gt,
                "exclusiveMaximum": kind.lt,
                "multipleOf": kind.multiple_of,
            }
            return {"type": "integer" if isinstance(kind, mi.IntType) else "number", **_given(bounds)}
        case mi.BoolType():
            return {"type": "boolean"}
        case mi.NoneType():
            return {"type": "null"}
        case mi.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case _:
            return {}


def _custom(cls: type) -> JsonObject:
    if cls is Secret:
        return dict(SecretReference.json_schema)
    for written in WRITTEN_KINDS:
        if cls is written:
            return dict(written.json_schema)
    return {}


def _default(field: mi.Field) -> Any:
    """A default worth showing: simple values; what is empty or a resource of its own is not."""
    value = field.default
    if value is msgspec.NODEFAULT or value is None:
        return None
    if isinstance(value, bool | str):
        return (str(value) or None) if isinstance(value, str) else value
    if isinstance(value, tuple(WRITTEN_KINDS)):
        return str(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, tuple) and all(isinstance(item, str) for item in cast("tuple[object, ...]", value)):
        return list(cast("tuple[str, ...]", value)) or None
    return None


def _given(values: dict[str, Any]) -> JsonObject:
    return {name: value for name, value in values.items() if value is not None}
