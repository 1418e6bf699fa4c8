"""What one upstream attempt used, as disjoint token counts.

Rules of this file:
- The leaves never overlap: their sums are the provider's own totals. Providers disagree whether
  "input" includes cached tokens and "output" includes reasoning; that disagreement ends in the
  dialect that reads them, never later.
- A breakdown that contradicts its total is not clamped: the totals are kept, the breakdown is
  dropped, and `anomaly` says what was wrong.
"""

from typing import Annotated, Final, Literal

import msgspec

UsageSource = Literal["provider", "estimated", "none"]
"""Who counted: the provider, the gateway (a stream that was cut), or nobody."""


Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]
"""A number of tokens or calls; what a reader of stored records accepts as one."""


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Tokens of one attempt, and what is billed in other units. Every count is a leaf; totals are of tokens alone."""

    input_fresh: Count = 0
    """Input tokens billed at the plain rate: text, and whatever the provider did not break down."""
    input_audio: Count = 0
    input_image: Count = 0
    cache_read: Count = 0
    """Input tokens read from the provider's prompt cache."""
    cache_read_audio: Count = 0
    cache_write: Count = 0
    """Input tokens written to the prompt cache, time to live not reported."""
    cache_write_5m: Count = 0
    cache_write_1h: Count = 0
    output_text: Count = 0
    """Output tokens that are not reasoning, audio or image."""
    output_audio: Count = 0
    output_image: Count = 0
    reasoning: Count = 0
    """Output tokens spent on reasoning, shown to the caller or not."""
    web_searches: Count = 0
    """Server-side search calls the provider bills by the call."""
    output_images: Count = 0
    """Pictures made by models that report no tokens and are billed by the picture."""
    input_audio_ms: Count = 0
    """Milliseconds of sound heard by models that report no tokens and are billed by its length."""
    input_characters: Count = 0
    """Characters spoken by models that report no tokens and are billed by the character."""
    search_units: Count = 0
    """What rerankers that report no tokens bill: one search over a batch of documents."""
    provider_total: int | None = None
    """The provider's own total, kept only where it is not the sum of the leaves."""
    billed_input: Count | None = None
    """Input tokens the provider bills, kept only where they are not those the model saw: some vendors
    bill neither the text they add themselves nor what they found in their cache."""
    billed_output: Count | None = None
    """Output tokens the provider bills, kept only where they are not those the model wrote."""
    source: UsageSource = "provider"
    anomaly: str = ""
    """Why the provider's breakdown was not believed; empty when all is well."""

    @property
    def input_tokens(self) -> int:
        """All input tokens, cached ones included (the OpenTelemetry meaning)."""
        return (
            self.input_fresh
            + self.input_audio
            + self.input_image
            + self.cache_read
            + self.cache_read_audio
            + self.cache_write
            + self.cache_write_5m
            + self.cache_write_1h
        )

    def totals(self) -> tuple[int, int]:
        """`input_tokens` and `output_tokens` at once, for those who ask on every call."""
        leaves = msgspec.structs.astuple(self)
        return sum(leaves[:_INPUTS]), sum(leaves[_INPUTS:_LEAVES])

    @property
    def cached_tokens(self) -> int:
        """Input tokens read from cache, all modalities."""
        return self.cache_read + self.cache_read_audio

    @property
    def cache_write_tokens(self) -> int:
        """Input tokens written to cache, all times to live."""
        return self.cache_write + self.cache_write_5m + self.cache_write_1h

    @property
    def output_tokens(self) -> int:
        """All output tokens, reasoning included."""
        return self.output_text + self.output_audio + self.output_image + self.reasoning

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens


_INPUTS: Final = Usage.__struct_fields__.index("output_text")
_LEAVES: Final = Usage.__struct_fields__.index("web_searches")

NO_USAGE = Usage(source="none")
"""Nothing was reported and nothing was estimated."""


def usage_from_totals(  # noqa: PLR0913 - providers break usage down in this many ways
    input_total: int,
    output_total: int,
    *,
    cache_read: int = 0,
    cache_write: int = 0,
    cache_write_5m: int = 0,
    cache_write_1h: int = 0,
    input_audio: int = 0,
    input_image: int = 0,
    cache_read_audio: int = 0,
    reasoning: int = 0,
    output_audio: int = 0,
    output_image: int = 0,
    web_searches: int = 0,
    provider_total: int | None = None,
) -> Usage:
    """Build a `Usage` from totals that *include* every part given beside them.

    A part that exceeds its total makes the record anomalous: totals kept, breakdown dropped.
    """
    if input_total < 0 or output_total < 0:
        return Usage(anomaly=f"negative totals: input {input_total}, output {output_total}")
    parts_in = cache_read + cache_write + cache_write_5m + cache_write_1h + input_audio + input_image + cache_read_audio
    parts_out = reasoning + output_audio + output_image
    fresh = input_total - parts_in
    text = output_total - parts_out
    total = None if provider_total is None or provider_total == input_total + output_total else provider_total
    if fresh < 0 or text < 0:
        wrong = (
            f"input {input_total} < its parts {parts_in}"
            if fresh < 0
            else f"output {output_total} < its parts {parts_out}"
        )
        return Usage(
            input_fresh=input_total,
            output_text=output_total,
            web_searches=web_searches,
            provider_total=total,
            anomaly=wrong,
        )
    return Usage(
        input_fresh=fresh,
        input_audio=input_audio,
        input_image=input_image,
        cache_read=cache_read,
        cache_read_audio=cache_read_audio,
        cache_write=cache_write,
        cache_write_5m=cache_write_5m,
        cache_write_1h=cache_write_1h,
        output_text=text,
        output_audio=output_audio,
        output_image=output_image,
        reasoning=reasoning,
        web_searches=web_searches,
        provider_total=total,
    )
