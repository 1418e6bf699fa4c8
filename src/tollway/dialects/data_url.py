"""`data:` URLs: some APIs inline files as one, others as media type and base64 beside each other."""

import base64
from urllib.parse import unquote_to_bytes


def split_data_url(url: str | None) -> tuple[str, str] | None:
    """Split a data URL into media type and base64; None for any other URL."""
    if url is None or not url.startswith("data:"):
        return None
    head, comma, data = url[5:].partition(",")
    if not comma:
        return None
    media_type, semicolon, encoding = head.rpartition(";")
    if semicolon and encoding.strip() == "base64":
        return media_type.partition(";")[0] or "text/plain", data
    return head.partition(";")[0] or "text/plain", base64.b64encode(unquote_to_bytes(data)).decode()


def data_url(media_type: str, data: str) -> str:
    """Write base64 as a data URL."""
    return f"data:{media_type};base64,{data}"


def plain_text(media_type: str | None, data: str | None, url: str | None = None) -> str | None:
    """Read inline text, from base64 or a data URL; None where it is something else or elsewhere."""
    inline = split_data_url(url)
    if inline is not None:
        media_type, data = inline
    if data is None or not (media_type or "").startswith(("text/", "application/json")):
        return None
    try:
        return base64.b64decode("".join(data.split()), validate=True).decode()
    except ValueError:
        return None


def picture_markdown(url: str | None, media_type: str | None, data: str | None) -> str:
    """Write a picture as Markdown, for APIs whose answers are words."""
    return f"![image]({url or data_url(media_type or 'image/png', data or '')})"
