"""Reads configuration files into resources, with the place of everything that is wrong.

    load(path)  -> Document   for who needs a sound configuration; raises ConfigErrors
    read(path)  -> Document   for who goes on to compile: its `problems` are passed on, so that an
                              operator sees the mistakes of both steps in one run

`path` is one YAML file, or a folder whose `*.yaml` and `*.yml` files are read as one: their lists
are joined in the order of the file names, and `gateway` may stand in one of them only.
"""

from pathlib import Path as FilePath
from typing import Final, cast

import msgspec

from tollway.config.decode import decode_struct
from tollway.config.problems import ConfigError, ConfigErrors, Position, Problems
from tollway.config.resources import Resources
from tollway.config.yaml_tree import MAX_BYTES, Entry, Node, Tree, parse_yaml, unfold

_LIST_SECTIONS: Final = frozenset(name for name in Resources.__struct_fields__ if name != "gateway")
_SUFFIXES: Final = frozenset({".yaml", ".yml"})


class Document(msgspec.Struct):
    """What was read, and from where."""

    resources: Resources
    """Sound only when `problems` is empty; see `decode`."""
    problems: Problems
    folder: FilePath
    """What relative paths in the configuration are relative to; absolute."""
    files: tuple[FilePath, ...]
    """Every file that was read."""


def load(path: FilePath) -> Document:
    """Read a file or folder.

    Raises:
        ConfigErrors: it cannot be read, or its form is wrong; all errors at once.
    """
    document = read(path)
    document.problems.raise_if_any()
    return document


def read(path: FilePath) -> Document:
    """Read a file or folder as far as it can be understood, noting what cannot.

    Raises:
        ConfigErrors: a file cannot be opened, or is not YAML.
    """
    files = config_files(path)
    texts = [(_text_of(file), str(file)) for file in files]
    folder = path if path.is_dir() else path.parent
    return read_texts(texts, folder=folder.absolute(), files=files)


def read_texts(texts: list[tuple[str, str]], *, folder: FilePath, files: tuple[FilePath, ...] = ()) -> Document:
    """Read YAML texts, each with the name to call it in messages, as one configuration.

    Raises:
        ConfigErrors: one of them is not YAML.
    """
    tree, errors = _merged(texts)
    problems = Problems(tree.locate, tree.keys.get)
    for error in errors:
        problems.add_at(error.position, error.message, error.path)
    resources = decode_struct(Resources, tree.value, (), problems)
    return Document(resources, problems, folder, files)


def config_files(path: FilePath) -> tuple[FilePath, ...]:
    """The files a configuration path stands for, in the order they are read.

    Raises:
        ConfigErrors: there is no such file, or no YAML file in the folder.
    """
    if path.is_dir():
        found = tuple(sorted(p for p in path.iterdir() if p.suffix in _SUFFIXES and p.is_file()))
        if not found:
            raise _unreadable(path, "no *.yaml file in this folder")
        return found
    return (path,)


def _text_of(file: FilePath) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(file, f"cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigErrors((ConfigError("not UTF-8: save it as UTF-8", (), Position(str(file), line, 1)),)) from None


def _merged(texts: list[tuple[str, str]]) -> tuple[Tree, list[ConfigError]]:
    """Join the documents at their top level; what does not fit the form is left for `decode`."""
    errors: list[ConfigError] = []
    root = Node(Position(texts[0][1] if texts else "", 1, 1), entries={})
    syntax: list[ConfigError] = []
    for text, file in texts:
        try:
            node, duplicates = parse_yaml(text, file)
        except ConfigErrors as error:  # go on: the other files have mistakes of their own
            syntax += error.errors
            continue
        errors += duplicates
        if node is None or (node.entries is None and node.items is None and node.scalar is None):
            continue
        if node.entries is None:
            known = ", ".join(Resources.__struct_fields__)
            errors.append(ConfigError(f"not a configuration: the top level has the keys {known}", (), node.position))
            continue
        for entry in node.entries.values():
            _join(cast("dict[str, Entry]", root.entries), entry, errors)
    if syntax:
        raise ConfigErrors(tuple(syntax + errors))
    return unfold(root), errors


def _join(entries: dict[str, Entry], entry: Entry, errors: list[ConfigError]) -> None:
    first = entries.setdefault(entry.key, entry)
    if first is entry:
        return
    if entry.key in _LIST_SECTIONS and first.node.items is not None and entry.node.items is not None:
        joined = Node(first.node.position, items=[*first.node.items, *entry.node.items], complete=True)
        entries[entry.key] = Entry(first.key, first.position, joined)
        return
    errors.append(ConfigError(f"stands in {first.position.file} already: write it once", (entry.key,), entry.position))


def _unreadable(path: FilePath, message: str) -> ConfigErrors:
    return ConfigErrors((ConfigError(message, (), Position(str(path), 1, 1)),))
