"""The header lines of answers: who served it, how it was routed, what it cost the gateway.

Source of the names: `docs/reference/headers.md`.
"""

from collections.abc import Mapping
from typing import Final

JSON: Final = b"content-type: application/json\r\n"

_PASS_EXACT: Final = frozenset(
    {
        b"x-request-id",
        b"request-id",
        b"apim-request-id",
        b"x-amzn-requestid",
        b"openai-processing-ms",
        b"retry-after",
        b"retry-after-ms",
    }
)
_PASS_PREFIXES: Final = (b"x-ratelimit-", b"anthropic-ratelimit-", b"x-amzn-bedrock-")
_ROUTING_TYPES: Final = {"model-based": "ModelBased", "weighted": "Weighted", "priority": "Priority"}
_MAX_CACHED: Final = 4096


class PassedHeaders:
    """Which of the provider's headers reach the caller; decided once for each set of names."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """Start with nothing decided."""
        self._known: dict[tuple[bytes, ...], tuple[bytes, ...]] = {}

    def add(self, lines: list[bytes], headers: Mapping[bytes, bytes]) -> None:
        """Add the lines that pass."""
        names = tuple(headers)
        passing = self._known.get(names)
        if passing is None:
            passing = tuple(name for name in names if name in _PASS_EXACT or name.startswith(_PASS_PREFIXES))
            if len(self._known) < _MAX_CACHED:
                self._known[names] = passing
        for name in passing:
            lines.append(b"%b: %b\r\n" % (name, headers[name]))  # noqa: PERF401 - mostly none or two: a list of its own costs more


class RoutingHeaders:
    """The `x-llm-proxy-…` lines of one proxy, prepared once a target and model."""

    __slots__ = ("_cache", "_routing_type")

    def __init__(self, strategy: str) -> None:
        """Prepare for one routing strategy."""
        self._routing_type = _ROUTING_TYPES[strategy]
        self._cache: dict[tuple[str, str, bool, bool], bytes] = {}

    def lines(self, provider: str, model: str, fallback: bool, success: bool) -> bytes:  # noqa: FBT001 - on every call's way
        """Give the block for a call that reached `provider` with `model`."""
        key = (provider, model, fallback, success)
        block = self._cache.get(key)
        if block is None:
            block = self._render(provider, header_text(model), fallback=fallback, success=success)
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()  # model names may come from callers, so they must not pile up
            self._cache[key] = block
        return block

    def _render(self, provider: str, model: str, *, fallback: bool, success: bool) -> bytes:
        model = model or "none"  # of calls that name none, such as those for files
        routed = (
            f"Request fell back to {model} (Provider: {provider}, Model: {model})."
            if fallback
            else f"Request successfully matched. Provider: {provider}, Model: {model}."
        )
        lines = [
            f"x-llm-proxy-routing-type: {self._routing_type}",
            f"x-llm-proxy-routing-fallback: {'true' if fallback else 'false'}",
            f"x-llm-proxy-llm-provider: {provider}",
            f"x-llm-proxy-llm-model: {model}",
        ]
        if self._routing_type == "ModelBased":
            lines.append(f"x-llm-proxy-model-based-routing-success: {routed}")
        if success:
            lines.append(
                f"x-llm-proxy-request-success: Request completed successfully. Provider: {provider}, Model: {model}."
            )
        return ("\r\n".join(lines) + "\r\n").encode("ascii")


def header_text(value: str) -> str:
    """Make any text safe inside a header: what is not printable ASCII is percent-encoded."""
    if value.isascii() and value.isprintable():
        return value
    return "".join(
        character
        if character.isascii() and character.isprintable()
        else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in value
    )


def header_line(name: str, value: str) -> bytes:
    """Write one header line; neither part can smuggle in another line."""
    line = f"{name}: {value}"
    if line.isascii() and line.isprintable():
        return line.encode("ascii") + b"\r\n"
    return f"{header_text(name)}: {header_text(value)}\r\n".encode("ascii")
