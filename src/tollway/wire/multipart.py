"""Forms in `multipart/form-data`, sans I/O: where each part of a body is, and how to change one.

Rules of this file:
- Nothing is decoded but the parts' heads; every byte outside a changed part stays as it came.
- What two readers could understand differently is refused, not guessed at: a preamble, folded
  lines, escapes in names, a line that only begins like a boundary. Who reads the form after us must
  see the same parts.

Sources: RFC 7578 (form-data), RFC 2046, section 5.1.1 (boundaries).
"""

import re
from typing import Final, NamedTuple

# RFC 2046: up to 70 of these characters, the last of them no space.
_BOUNDARY: Final = re.compile(rb"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]")
_TYPE: Final = re.compile(rb"multipart/form-data\s*;(.*)", re.IGNORECASE | re.DOTALL)
_PARAMETER: Final = re.compile(rb'\s*([!#$%&\'*+\-.^_`|~0-9A-Za-z]+)=(?:"([^"\\\r\n]*)"|([^\s";,\\]+))\s*(?:;|$)')
# RFC 7578, section 4.2: a file's name may hold anything but a quote. No backslash before a quote: some
# readers end the name there, and would find what follows.
_FILE_NAME: Final = re.compile(
    rb'\s*(filename\*?)=(?:"((?:[^"\\\r\n]|\\(?!"))*)"|([^\s";,\\]+))\s*(?:;|$)', re.IGNORECASE
)
_HEADER: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n]*?)[ \t]*")
# Names of fields: no quote, escape or percent sign, which readers treat in different ways.
_NAME: Final = re.compile(rb"[ !#$&-\[\]-~]{1,256}")
_MOST_HEAD_BYTES: Final = 8_192


class FormPart(NamedTuple):
    """Where one part of a form is."""

    name: str
    is_file: bool
    """Whether it has a file name."""
    start: int
    """Where its content begins, in the body."""
    end: int


def boundary_of(content_type: bytes) -> bytes:
    """Read the boundary from a content type.

    Raises:
        ValueError: it is none of a form, or has no boundary that can be one.
    """
    matched = _TYPE.fullmatch(content_type.strip())
    if matched is None:
        msg = "it is not 'multipart/form-data' with a boundary"
        raise ValueError(msg)
    boundary = _parameters(matched[1]).get(b"boundary", b"")
    if _BOUNDARY.fullmatch(boundary) is None:
        msg = "its boundary is missing or malformed"
        raise ValueError(msg)
    return boundary


def scan_form(body: bytes, boundary: bytes, *, most_parts: int = 1_000) -> list[FormPart]:
    """Find the parts of a whole form.

    Raises:
        ValueError: it is malformed, could be read in two ways, or has too many parts.
    """
    delimiter = b"\r\n--" + boundary
    if not body.startswith(delimiter[2:]):
        msg = "the form does not begin with its boundary"
        raise ValueError(msg)
    parts: list[FormPart] = []
    at = len(delimiter) - 2
    while (following := _line_after(body, at)) >= 0:
        if len(parts) == most_parts:
            raise ValueError(f"the form has more than {most_parts} parts")
        end = body.find(delimiter, following - 2)
        if end < 0:
            msg = "the form is not ended by its boundary"
            raise ValueError(msg)
        parts.append(_part(body, following, end))
        at = end + len(delimiter)
    return parts


def replace_part(body: bytes, part: FormPart, content: bytes) -> bytes:
    """Give the form with another content in one part."""
    return b"".join((body[: part.start], content, body[part.end :]))


def add_part(body: bytes, boundary: bytes, name: str, content: bytes) -> bytes:
    """Give the form with one more field, before the others."""
    head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n' % (boundary, name.encode("ascii"))
    return b"".join((head, content, b"\r\n", body))


def _line_after(body: bytes, at: int) -> int:
    """Find where a part begins whose boundary ends at `at`; -1 when the form ends there."""
    if body.startswith(b"--", at):
        if body[at + 2 :] not in (b"", b"\r\n"):
            msg = "something follows the end of the form"
            raise ValueError(msg)
        return -1
    if not body.startswith(b"\r\n", at):
        msg = "a line of the form begins with its boundary and goes on"
        raise ValueError(msg)
    return at + 2


def _part(body: bytes, start: int, end: int) -> FormPart:
    head_end = body.find(b"\r\n\r\n", start, min(end, start + _MOST_HEAD_BYTES))
    if head_end < 0:
        msg = "a part of the form has no head, or one that is too large"
        raise ValueError(msg)
    disposition = b""
    for line in body[start:head_end].split(b"\r\n"):
        matched = _HEADER.fullmatch(line)
        if matched is None:
            msg = "a part of the form has a malformed header"
            raise ValueError(msg)
        name = matched[1].lower()
        if name == b"content-transfer-encoding" and matched[2].lower() not in (b"binary", b"8bit", b"7bit"):
            # RFC 7578, section 4.7: deprecated; a reader that undoes it would see another content.
            msg = "a part of the form has a transfer encoding; send its bytes as they are"
            raise ValueError(msg)
        if name == b"content-disposition":
            if disposition:
                msg = "a part of the form says twice what it is"
                raise ValueError(msg)
            disposition = matched[2]
    kind, _, rest = disposition.partition(b";")
    parameters = _parameters(rest) if kind.strip().lower() == b"form-data" else {}
    field = parameters.get(b"name", b"")
    if _NAME.fullmatch(field) is None or b"name*" in parameters:
        msg = "a part of the form has no name, or one with characters that are not plain ASCII"
        raise ValueError(msg)
    is_file = b"filename" in parameters or b"filename*" in parameters
    return FormPart(field.decode("ascii"), is_file, head_end + 4, end)


def _parameters(text: bytes) -> dict[bytes, bytes]:
    """Read `name=value; name="value"`."""
    found: dict[bytes, bytes] = {}
    at = 0
    while at < len(text) and text[at:].strip():
        matched = _FILE_NAME.match(text, at) or _PARAMETER.match(text, at)
        if matched is None:
            msg = "a header has malformed parameters"
            raise ValueError(msg)
        name = matched[1].lower()
        if name in found:
            raise ValueError(f"a header says '{name.decode()}' twice")
        found[name] = matched[2] if matched[2] is not None else matched[3]
        at = matched.end()
    return found
