"""The spool's files: one usage record a line, as JSON, and where the files of a data directory are.

Rules of this file:
- A line is a `UsageRecord` in JSON without its empty members, ended by a line feed, so it holds none itself.
- Members come in declared order, so everything before `"id"` is the record's context. A batch of
  lines repeats few contexts; whoever reads them splits first and decodes each context once.
- A file named `*.jsonl` is locked (flock, exclusive) from before it has that name until its writer has closed it
  or died; a lock that can be had means that nothing more will be written to it.
"""

from collections.abc import Callable

import msgspec

from tollway.core.usage import NO_USAGE, Count, Usage
from tollway.interfaces.usage_record import UsageRecord

SPOOL_DIRECTORY = "spool"
"""Of the data directory."""
QUARANTINE_DIRECTORY = "quarantine"
"""Of the spool directory."""
SPOOL_SUFFIX = ".jsonl"
MAX_LINE_BYTES = 1 << 22
"""No record comes near it; more bytes without a line feed are not a record."""

_OWN_MEMBERS = b',"id":"'


class OwnMembers(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a usage record has to itself and a reader of many records needs as values."""

    id: str
    started_us: Count
    usage: Usage = NO_USAGE
    time_to_first_byte_us: Count = 0
    upstream_us: Count = 0
    overhead_us: Count = 0


_encode = msgspec.json.Encoder().encode_lines
_decode_record = msgspec.json.Decoder(UsageRecord).decode
decode_own: Callable[[bytes], OwnMembers] = msgspec.json.Decoder(OwnMembers).decode
"""Read the second half of a split line; raises `msgspec.DecodeError`."""


def encode_line(record: UsageRecord) -> bytes:
    """Write one record as a line, line feed included."""
    # A list: msgspec 0.22 never frees the iterator it makes over anything else, one leaked object a record.
    return _encode([record])


def decode_line(line: bytes) -> UsageRecord:
    """Read one line.

    Raises:
        msgspec.DecodeError: it is no JSON, or no usage record.
    """
    return _decode_record(line)


def split_line(line: bytes, hint: int = 0) -> tuple[bytes, bytes]:
    """Cut a line, without its line feed, into its context and its own members, each a JSON object.

    A line that was not written by `encode_line` gives halves that are no JSON or no record.

    Args:
        line: the line.
        hint: where to look first; any number is right, one less than the length of the shortest context is fast.
    """
    # An unescaped quote after a comma that opens `"id":"` can only be the member: inside a string
    # every quote is escaped, and in a list a string is never followed by a colon. So it is there once.
    cut = line.find(_OWN_MEMBERS, hint)
    if cut < 0:
        cut = line.find(_OWN_MEMBERS)
        if cut < 0:
            return b"{}", line
    return line[:cut] + b"}", b"{" + line[cut + 1 :]


def join_halves(context: bytes, own: bytes) -> bytes:
    """Put together what `split_line` cut."""
    if context == b"{}":
        return own
    return context[:-1] + b"," + own[1:]


def decode_context(context: bytes) -> UsageRecord:
    """Read a context as a record whose own members are empty.

    Raises:
        msgspec.DecodeError: it is no JSON, or no context.
    """
    return _decode_record(join_halves(context, b'{"id":"","call_id":"","started_us":0}'))
