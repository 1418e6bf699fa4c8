"""Media in Converse: formats by one word, and their media types."""

import re
from collections.abc import Mapping
from typing import Final

IMAGES: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
}
DOCUMENTS: Final[Mapping[str, str]] = {
    "pdf": "application/pdf",
    "csv": "text/csv",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "html": "text/html",
    "txt": "text/plain",
    "md": "text/markdown",
}
VIDEOS: Final[Mapping[str, str]] = {
    "mkv": "video/x-matroska",
    "mov": "video/quicktime",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "flv": "video/x-flv",
    "mpeg": "video/mpeg",
    "mpg": "video/mpg",
    "wmv": "video/x-ms-wmv",
    "three_gp": "video/3gpp",
}
SOUNDS: Final = frozenset(
    "mp3 opus wav aac flac mp4 ogg mkv mka x-aac m4a mpeg mpga pcm webm".split()  # noqa: SIM905 - as the vendor lists them
)

_SYNONYMS: Final = {"image/jpg": "image/jpeg", "application/json": "text/plain"}
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9 ()\[\]-]+")


def format_of(media_type: str | None, formats: Mapping[str, str]) -> str | None:
    """Give the word for a media type; None where the API has none."""
    bare = (media_type or "").partition(";")[0].strip().lower()
    known = _SYNONYMS.get(bare, bare)
    return next((word for word, one in formats.items() if one == known), None)


def document_name(filename: str | None) -> str:
    """Give a document the alphabet that the API demands of its name."""
    # "alphanumeric characters, whitespace characters (no more than one in a row), hyphens, parentheses,
    # and square brackets"
    stem = (filename or "").rpartition("/")[2]
    name = " ".join(_NOT_IN_NAMES.sub(" ", stem).split())[:200].strip()
    return name or "document"
