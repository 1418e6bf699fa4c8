"""Usage records as OpenTelemetry metrics, in either vocabulary of the generative AI conventions."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol, assert_never

from opentelemetry.metrics import Histogram, Meter

from tollway.core import genai_conventions as genai
from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord

_MICRO: Final = 1_000_000

Attributes = Mapping[str, str | bool | int | float | Sequence[str]]


class CallMetrics(Protocol):
    """Counts records."""

    def record(self, record: UsageRecord, attributes: Attributes) -> None:
        """Count one, with the attributes that its span has of the conventions' own."""
        ...


def metrics_of(vocabulary: genai.Vocabulary, meter: Meter) -> CallMetrics:
    """Make the instruments of a vocabulary."""
    match vocabulary:
        case "A":
            return _VocabularyA(meter)
        case "B":
            return _VocabularyB(meter)
        case _:
            assert_never(vocabulary)


class _VocabularyA:
    """semantic-conventions v1.41."""

    def __init__(self, meter: Meter) -> None:
        self._tokens = meter.create_histogram(
            genai.TOKEN_USAGE,
            "{token}",
            "Tokens of an attempt.",
            explicit_bucket_boundaries_advisory=genai.TOKEN_BOUNDS,
        )
        self._operation = _seconds(
            meter, genai.OPERATION_DURATION, "Attempt, from sending it to the end of its answer."
        )
        self._first_chunk = _seconds(meter, genai.TIME_TO_FIRST_CHUNK, "Streamed attempt, to its first byte.")
        self._request = _seconds(meter, genai.SERVER_REQUEST_DURATION, "Call, all attempts included.")
        self._first_token = _seconds(
            meter,
            genai.SERVER_TIME_TO_FIRST_TOKEN,
            "Streamed attempt, to its first byte.",
            genai.FIRST_TOKEN_BOUNDS,
        )
        self._per_token = _seconds(
            meter,
            genai.SERVER_TIME_PER_OUTPUT_TOKEN,
            "Streamed attempt, a token after the first byte.",
            genai.PER_TOKEN_BOUNDS,
        )

    def record(self, record: UsageRecord, attributes: Attributes) -> None:
        if record.final:
            self._request.record((record.ended_us - record.started_us) / _MICRO, attributes)
        if not record.attempt:
            return
        usage = record.usage
        self._operation.record(record.upstream_us / _MICRO, attributes)
        if usage.source != "none":
            self._tokens.record(usage.input_tokens, {**attributes, genai.TOKEN_TYPE: "input"})
            self._tokens.record(usage.output_tokens, {**attributes, genai.TOKEN_TYPE: "output"})
        if record.stream and record.time_to_first_byte_us:
            first = record.time_to_first_byte_us / _MICRO
            self._first_chunk.record(first, attributes)
            self._first_token.record(first, attributes)
            if usage.output_tokens > 1:
                rest = record.upstream_us / _MICRO - first
                self._per_token.record(rest / (usage.output_tokens - 1), attributes)


class _VocabularyB:
    """semantic-conventions-genai: tokens an operation as histograms, tokens a modality as counters."""

    def __init__(self, meter: Meter) -> None:
        self._duration = _seconds(meter, genai.INFERENCE_DURATION, "Attempt, from sending it to the end of its answer.")
        self._first_chunk = _seconds(meter, genai.INFERENCE_TIME_TO_FIRST_CHUNK, "Streamed attempt, to its first byte.")
        self._input, self._output = (
            meter.create_histogram(name, "{token}", text, explicit_bucket_boundaries_advisory=genai.TOKEN_BOUNDS)
            for name, text in (
                (genai.INFERENCE_INPUT_TOKENS, "Input tokens of an attempt, cached ones included."),
                (genai.INFERENCE_OUTPUT_TOKENS, "Output tokens of an attempt, reasoning included."),
            )
        )
        self._counters = {
            name: meter.create_counter(name, "{token}", "Tokens by modality.")
            for name in (
                genai.INFERENCE_USAGE_INPUT,
                genai.INFERENCE_USAGE_OUTPUT,
                genai.INFERENCE_USAGE_CACHE_READ,
                genai.INFERENCE_USAGE_CACHE_WRITE,
                genai.INFERENCE_USAGE_REASONING,
            )
        }

    def record(self, record: UsageRecord, attributes: Attributes) -> None:
        if not record.attempt:
            return
        usage = record.usage
        self._duration.record(record.upstream_us / _MICRO, attributes)
        if usage.source != "none":
            self._input.record(usage.input_tokens, attributes)
            self._output.record(usage.output_tokens, attributes)
        if record.stream and record.time_to_first_byte_us:
            self._first_chunk.record(record.time_to_first_byte_us / _MICRO, attributes)
        for name, modality, tokens, always in _by_modality(usage):
            # Failed calls count 0, so that a rate exists before the first success.
            if tokens or always:
                self._counters[name].add(tokens, {**attributes, genai.TOKEN_MODALITY: modality})


def _by_modality(usage: Usage) -> tuple[tuple[str, str, int, bool], ...]:
    """Counter, modality, tokens, and whether to count them when they are none.

    What providers do not break down is of unknown modality; they all say which output is audio or image.
    """
    plain_input = usage.input_tokens - usage.input_audio - usage.cache_read_audio - usage.input_image
    return (
        (genai.INFERENCE_USAGE_INPUT, "unknown", plain_input, True),
        (genai.INFERENCE_USAGE_INPUT, "audio", usage.input_audio + usage.cache_read_audio, False),
        (genai.INFERENCE_USAGE_INPUT, "image", usage.input_image, False),
        (genai.INFERENCE_USAGE_CACHE_READ, "unknown", usage.cache_read, False),
        (genai.INFERENCE_USAGE_CACHE_READ, "audio", usage.cache_read_audio, False),
        (genai.INFERENCE_USAGE_CACHE_WRITE, "unknown", usage.cache_write_tokens, False),
        (genai.INFERENCE_USAGE_OUTPUT, "text", usage.output_text + usage.reasoning, True),
        (genai.INFERENCE_USAGE_OUTPUT, "audio", usage.output_audio, False),
        (genai.INFERENCE_USAGE_OUTPUT, "image", usage.output_image, False),
        (genai.INFERENCE_USAGE_REASONING, "text", usage.reasoning, False),
    )


def _seconds(meter: Meter, name: str, text: str, bounds: Sequence[float] = genai.DURATION_BOUNDS) -> Histogram:
    return meter.create_histogram(name, "s", text, explicit_bucket_boundaries_advisory=bounds)
