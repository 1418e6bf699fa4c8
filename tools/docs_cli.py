"""Writes `docs/reference/cli.md` from the commands' own argument parsers.

python tools/docs_cli.py            write it
python tools/docs_cli.py --check    exit 1 when it is not what the commands say

The text is put together here, not taken from `--help`, whose wrapping differs from one Python to the next.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, cast

from tollway.cli.main import make_parser

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"

_INTRODUCTION: Final = """\
# Commands

<!-- Made by tools/docs_cli.py from src/tollway/cli/commands: edit those. -->

`tollway COMMAND --help` says the same in a terminal.
A command ends with 0 when all went well, 1 when it did not, and 2 when it was wrongly asked.

"""

_AFTER: Final = """\
## Environment

| variable | read by | meaning |
|---|---|---|
| `TOLLWAY_MASTER_KEY` | `gateway`, `check`, `secret` | The vault's master key, 32 bytes in base64. |
| `TOLLWAY_NEXT_MASTER_KEY` | `gateway`, `check`, `secret` | Its successor, for `tollway secret rotate`. |
| those of `${env:NAME}` references | `gateway`, `check` | Secrets that the configuration refers to. |
| a provider's own key variable | `up` | Calls the provider in place of simulating it. [](providers.md) names it. |

## Signals

| signal | to `tollway gateway` and `tollway up` |
|---|---|
| `SIGHUP` | Reads the configuration again: it is taken over whole, or refused whole. |
| `SIGTERM`, `SIGINT` | Takes no more connections, gives calls in flight the time of `gateway.drain`, then ends. |
"""


def page() -> str:
    """The whole page."""
    sections = [_section(f"tollway {name}", parser) for name, parser in _children(make_parser()).items()]
    return "".join([_INTRODUCTION, *sections, _AFTER])


def _children(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - argparse has no other name for it
            return cast("Mapping[str, argparse.ArgumentParser]", action.choices)
    return {}


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return parser._actions  # noqa: SLF001 - the only way to ask a parser what it takes


def _section(command: str, parser: argparse.ArgumentParser) -> str:
    children = _children(parser)
    lines = [f"## {command}\n\n", f"{_escaped(parser.description or '')}\n\n"]
    own = f"{command}{_usage(parser)}"
    usages = [f"{own} {name}{_usage(child)}" for name, child in children.items()] or [own]
    lines.append("```text\n" + "".join(f"{one}\n" for one in usages) + "```\n\n")
    if children:
        helps = _helps_of_children(parser)
        lines.append("| action | does |\n|---|---|\n")
        lines.extend(f"| `{name}` | {_sentence(helps.get(name, ''))} |\n" for name in children)
        lines.append("\n")
    rows = list(_rows(parser))
    if rows:
        lines.append("| argument | meaning |\n|---|---|\n")
        lines.extend(rows)
        lines.append("\n")
    return "".join(lines)


def _helps_of_children(parser: argparse.ArgumentParser) -> dict[str, str]:
    for action in _actions(parser):
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            return {one.dest: one.help or "" for one in action._get_subactions()}  # noqa: SLF001
    return {}


def _usage(parser: argparse.ArgumentParser) -> str:
    parts: list[str] = []
    for action in _told(parser):
        shown = _shown(action)
        if action.option_strings and not action.required:
            shown = f"[{shown}]"
        elif action.nargs == "+":
            shown = f"{shown} …"
        parts.append(f" {shown}")
    return "".join(sorted(parts, key=lambda part: not part.startswith(" [")))


def _rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in _told(parser):
        meaning = (action.help or "") % {**vars(action), "prog": parser.prog}
        default = action.default
        if default not in {None, False} and "default" not in meaning:
            meaning = f"{meaning} (default: {default})"
        if action.choices is not None and action.metavar is not None and str(next(iter(action.choices))) not in meaning:
            meaning = f"{meaning}: {', '.join(map(str, action.choices))}"
        yield f"| `{_shown(action)}` | {_sentence(meaning)} |\n"


def _told(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in _actions(parser):
        if not isinstance(action, argparse._HelpAction | argparse._SubParsersAction):  # noqa: SLF001
            yield action


def _shown(action: argparse.Action) -> str:
    value = str(action.metavar or action.dest.upper())
    if not action.option_strings:
        return value
    return action.option_strings[-1] if action.nargs == 0 else f"{action.option_strings[-1]} {value}"


def _sentence(text: str) -> str:
    return _escaped(f"{text[:1].upper()}{text[1:]}.") if text else ""


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("${vault:NAME}", "`${vault:NAME}`").replace("--by:", "`--by`:")


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == text
        print(f"{PAGE.name}: {'as the commands say' if same else 'is not what the commands say: run this tool'}")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
