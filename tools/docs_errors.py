"""Writes `docs/reference/errors.md` from the error tree, the codes used in the source, and each dialect's renderer.

python tools/docs_errors.py            write it
python tools/docs_errors.py --check    exit 1 when it is not what the code says
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

import tollway
from tollway.core import errors
from tollway.core.errors import NotFound, TollwayError
from tollway.dialects.registry import conversation_dialect

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "errors.md"
SOURCE: Final = Path(tollway.__file__).parent
PARTS: Final = ("dialects", "gateway", "policies", "routing")
"""Where errors towards callers are made."""
TIMEOUT_CODES: Final = ("first_byte_timeout", "event_timeout", "total_timeout")
"""Codes that reach their error through a variable, where the source cannot be asked for them."""

_INTRODUCTION: Final = """\
# Errors

<!-- Made by tools/docs_errors.py from src/tollway/core/errors.py and the code that raises them: edit those. -->

Every answer that is not the provider's own has a status, a machine-readable `code`,
and a message that says what was wrong, where, and what would fix it.
It is written in the caller's own dialect, so that any SDK raises the exception it always raises.
No message holds a secret, an address of an upstream or a version.

An error of the provider keeps its status and its meaning;
where caller and provider speak the same API, also its body.
Except 401 and 403: there the provider refuses the gateway's key, not the caller, and its words may quote that key.
The caller gets the status, and a sentence of ours in their place.

`x-should-retry` tells SDKs whether a repeat can help. It is `false` for what the gateway has repeated already.

"""

_STREAMS: Final = """\

## Within a stream

Once the first event of a stream has gone to the caller, the status can no longer change.
A stream that breaks then ends with an error event in the caller's dialect and never with its ordinary end
(`data: [DONE]`, `message_stop`, `response.completed`), so that no SDK takes it for complete.
"""

_FAULTS: Final = {"caller": "the caller's", "policy": "a policy's", "upstream": "the provider's", "gateway": "ours"}


def page() -> str:
    """The whole page."""
    return "".join([_INTRODUCTION, *_classes(), *_codes(), *_bodies(), _STREAMS])


def error_classes() -> list[type[TollwayError]]:
    """Every error there is, in the order of the tree."""
    found = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, TollwayError)]
    return [one for one in found if one is not TollwayError]


def _classes() -> Iterator[str]:
    yield "## Kinds\n\n| error | status | code | whose fault | meaning |\n|---|---|---|---|---|\n"
    for error in error_classes():
        meaning = (inspect.getdoc(error) or "").split("\n\n")[0].replace("\n", " ")
        meaning = meaning.removeprefix(f"{error.status}: ")
        status = str(error.status) if error not in _OPEN else "its own"
        shown = f"{meaning[:1].upper()}{meaning[1:]}"
        yield f"| `{error.__name__}` | {status} | `{error.code}` | {_FAULTS[error.fault]} | {shown} |\n"


_OPEN: Final = (errors.PolicyRefusal, errors.UpstreamAnswered)
"""Errors whose status is not their class's."""


def _codes() -> Iterator[str]:
    yield "\n## Codes\n\nThe codes above, and these, which say more:\n\n| code | error | status |\n|---|---|---|\n"
    timeouts = (
        (code, f"`{errors.UpstreamTimeout.__name__}`", str(errors.UpstreamTimeout.status)) for code in TIMEOUT_CODES
    )
    yield from sorted({f"| `{code}` | {kind} | {status} |\n" for code, kind, status in (*codes(), *timeouts)})


def codes() -> Iterator[tuple[str, str, str]]:
    """Every code that the source gives an error in place of its class's own: code, class, status."""
    classes = {one.__name__: one for one in error_classes()}
    for part in PARTS:
        for file in sorted((SOURCE / part).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in classes:
                    code, status = _constant(call, "code"), _constant(call, "status")
                    if isinstance(code, str):
                        yield code, f"`{call.func.id}`", str(status or classes[call.func.id].status)


def _constant(call: ast.Call, name: str) -> object:
    for keyword in call.keywords:
        if keyword.arg == name and isinstance(keyword.value, ast.Constant):
            return keyword.value.value
    return None


def _bodies() -> Iterator[str]:
    sample = NotFound("there is no model 'x' here; GET /models lists those there are", param="model")
    yield "\n## Bodies\n\nThe same error, as callers of each format get it.\n"
    for title, dialect in (("OpenAI", "openai-chat"), ("Anthropic", "anthropic-messages"), ("Gemini", "gemini")):
        body = msgspec.json.format(conversation_dialect(dialect).render_error(sample)).decode()
        yield f"\n### {title}\n\n```json\n{body}\n```\n"


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == text
        print(f"{PAGE.name}: {'as the code says' if same else 'is not what the code says: run this tool'}")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
