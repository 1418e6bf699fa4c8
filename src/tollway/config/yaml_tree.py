"""Reads YAML text into plain values and the place each was written.

Rules of this file:
- Values are text, numbers, truth values, null, lists and mappings with text keys, by the YAML 1.2
  core schema: `on`, `yes` and `12:30` are text, as they look. No tag makes anything else.
- What a stranger may have written cannot hurt: size, depth and what aliases unfold to are bounded.
- A key written twice is an error, for one of the two would be ignored.
"""

import re
from collections.abc import Callable
from typing import Final, cast

import msgspec
import yaml

from tollway.config.problems import ConfigError, ConfigErrors, Path, Position, shown

MAX_BYTES: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 200_000
"""Values a file may hold once its aliases are unfolded."""

_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUTHS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_MAX_DIGITS: Final = 64

# The C parser where PyYAML was built with it: ten times faster, the same events.
_LOADER: Final = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class Entry(msgspec.Struct, eq=False):
    """One member of a mapping, with the place of its key."""

    key: str
    position: Position
    node: "Node"


class Node(msgspec.Struct, eq=False):
    """One value and where it was written."""

    position: Position
    scalar: str | int | float | bool | None = None
    items: list["Node"] | None = None
    entries: dict[str, Entry] | None = None
    complete: bool = False


class Tree(msgspec.Struct):
    """A document's values, and where they stand."""

    value: object
    values: dict[Path, Position]
    keys: dict[Path, Position]

    def locate(self, path: Path) -> Position | None:
        """Where `path` was written, or the nearest thing around it that was."""
        while path not in self.values and path:
            path = path[:-1]
        return self.values.get(path)


def parse_yaml(text: str, file: str) -> tuple[Node | None, list[ConfigError]]:
    """Read one document; None when it is empty. Duplicate keys are returned as errors.

    Raises:
        ConfigErrors: it is not YAML, or exceeds a bound.
    """
    if len(text) > MAX_BYTES:
        raise _refused(f"larger than {MAX_BYTES} bytes: split it into several files", Position(file, 1, 1))
    composer = _Composer(file)
    try:
        # `yaml.parse` gives events one by one; its composer, which recurses and unfolds, is not used.
        for event in yaml.parse(text, Loader=_LOADER):  # pyright: ignore[reportUnknownMemberType]
            composer.take(event)
    except yaml.YAMLError as error:
        raise _refused(_syntax_message(error), _syntax_position(error, file)) from None
    return composer.root, composer.duplicates


def unfold(node: Node) -> Tree:
    """Turn nodes into plain values, aliases unfolded, with the position of every path.

    Raises:
        ConfigErrors: more values than anyone writes by hand.
    """
    tree = Tree(None, {}, {})
    tree.value = _unfolded(node, (), tree)
    return tree


class _Composer:
    """Builds nodes from parser events, without recursion."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Node] = []
        self._keys: list[tuple[str, Position] | None] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self.root: Node | None = None
        self.duplicates: list[ConfigError] = []

    def take(self, event: yaml.Event) -> None:
        position = self._position(event)
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise _refused("a second document: put each in a file of its own, or drop the `---`", position)
        elif isinstance(event, yaml.AliasEvent):
            self._place(self._aliased(event, position), position)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, position)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open_collection(event, position)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop().complete = True
            self._keys.pop()

    def _scalar(self, event: yaml.ScalarEvent, position: Position) -> None:
        node = Node(position, _resolved(event, position), complete=True)
        if self._wants_key():
            # Keys are taken as they are written, so that `on:` is the key `on`.
            self._set_key(_text(event), position)
        else:
            self._place(node, position)
        self._remember(event, node)

    def _open_collection(self, event: yaml.CollectionStartEvent, position: Position) -> None:
        if _attribute(event, "tag") not in {None, "!"}:
            raise _refused("tags are not supported: remove it", position)
        if len(self._open) >= MAX_DEPTH:
            raise _refused(f"nested deeper than {MAX_DEPTH} levels", position)
        if self._wants_key():
            raise _refused("keys are text: write `name: value`", position)
        node = Node(position)
        if isinstance(event, yaml.MappingStartEvent):
            node.entries = {}
        else:
            node.items = []
        self._place(node, position)
        self._remember(event, node)
        self._open.append(node)
        self._keys.append(None)

    def _wants_key(self) -> bool:
        return bool(self._open) and self._open[-1].entries is not None and self._keys[-1] is None

    def _set_key(self, key: str, position: Position) -> None:
        self._keys[-1] = (key, position)

    def _place(self, node: Node, position: Position) -> None:
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if parent.items is not None:
            parent.items.append(node)
            return
        key = self._keys[-1]
        if key is None or parent.entries is None:
            raise _refused("keys are text: an alias cannot be one", position)
        self._keys[-1] = None
        self._add_entry(parent.entries, Entry(key[0], key[1], node))

    def _add_entry(self, entries: dict[str, Entry], entry: Entry) -> None:
        if entry.key == "<<":
            raise _refused("merge keys (`<<`) are not supported: write the settings out", entry.position)
        first = entries.setdefault(entry.key, entry)
        if first is entry:
            return
        message = (
            f"the key {shown(entry.key)} stands here already, on line {first.position.line}: remove one of the two"
        )
        self.duplicates.append(ConfigError(message, (), entry.position))

    def _aliased(self, event: yaml.AliasEvent, position: Position) -> Node:
        name = str(_attribute(event, "anchor"))
        node = self._anchors.get(name)
        if node is None:
            raise _refused(f"the alias *{name} has no anchor &{name} before it", position)
        if not node.complete:
            raise _refused(f"the alias *{name} stands inside its own anchor", position)
        return node

    def _remember(self, event: yaml.NodeEvent, node: Node) -> None:
        anchor = _attribute(event, "anchor")
        if isinstance(anchor, str):
            self._anchors[anchor] = node

    def _position(self, event: yaml.Event) -> Position:
        return _position_of(_attribute(event, "start_mark"), self._file)


def _resolved(event: yaml.ScalarEvent, position: Position) -> str | int | float | bool | None:
    """Give a scalar its value by the YAML 1.2 core schema (section 10.3.2)."""
    text = _text(event)
    tag = _attribute(event, "tag")
    if tag not in {None, "!", _TEXT_TAG}:
        raise _refused("tags are not supported: remove it, and quote what shall be text", position)
    if tag is not None or _attribute(event, "style"):  # quoted, block or tagged: text
        return text
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return _TRUTHS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _OCTAL_OR_HEX.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def _unfolded(root: Node, path: Path, tree: Tree) -> object:
    if len(tree.values) >= MAX_VALUES:
        raise _refused(f"more than {MAX_VALUES} values once its aliases are unfolded", root.position)
    if len(path) > MAX_DEPTH:
        raise _refused(f"nested deeper than {MAX_DEPTH} levels once its aliases are unfolded", root.position)
    tree.values[path] = root.position
    if root.entries is not None:
        members: dict[str, object] = {}
        for entry in root.entries.values():
            below = (*path, entry.key)
            tree.keys[below] = entry.position
            members[entry.key] = _unfolded(entry.node, below, tree)
        return members
    if root.items is not None:
        return [_unfolded(item, (*path, index), tree) for index, item in enumerate(root.items)]
    return root.scalar


def _text(event: yaml.ScalarEvent) -> str:
    return str(_attribute(event, "value"))


def _attribute(event: object, name: str) -> object:
    """PyYAML's events are untyped; this is the one place that reads them."""
    read: Callable[[object, str, object], object] = getattr
    return read(event, name, None)


def _position_of(mark: object, file: str) -> Position:
    line, column = _attribute(mark, "line"), _attribute(mark, "column")
    return Position(file, line + 1 if isinstance(line, int) else 1, column + 1 if isinstance(column, int) else 1)


def _syntax_message(error: yaml.YAMLError) -> str:
    problem = _attribute(error, "problem") or _attribute(error, "reason") or "it cannot be read"
    context = _attribute(error, "context")
    around = f" ({context})" if context else ""
    return f"not YAML: {problem}{around}"


def _syntax_position(error: yaml.YAMLError, file: str) -> Position:
    return _position_of(_attribute(error, "problem_mark") or _attribute(error, "context_mark"), file)


def _refused(message: str, position: Position) -> ConfigErrors:
    return ConfigErrors((ConfigError(message, (), position),))
