import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.prometheus_text import read

from tollway.wire.exposition import Buckets, Family, Sample, merge, number, pack, render, unpack

VALUES = st.floats(allow_nan=False) | st.integers(-(2**60), 2**60).map(float)
LABELS = st.lists(
    st.tuples(st.sampled_from(["proxy", "model", "_x9"]), st.text(max_size=12)),
    max_size=3,
    unique_by=lambda pair: pair[0],
).map(lambda pairs: tuple(sorted(pairs)))


@given(st.lists(st.tuples(LABELS, VALUES), unique_by=lambda pair: pair[0]), st.text(max_size=30))
def test_a_strict_reader_reads_what_was_written(series: list[tuple[tuple[tuple[str, str], ...], float]], text: str):
    family = Family("tollway_things_total", "counter", text, samples=[Sample(*pair) for pair in series])
    families = read(render([family]).decode())
    if not series:
        assert families == {}
        return
    (got,) = families.values()
    assert (got.name, got.kind, got.help) == ("tollway_things_total", "counter", text)
    assert got.samples == {("tollway_things_total", frozenset(labels)): value for labels, value in series}


@given(st.lists(st.integers(0, 1000), min_size=4, max_size=4), LABELS)
def test_a_histogram_is_cumulated_and_ends_in_infinity(counts: list[int], labels: tuple[tuple[str, str], ...]):
    buckets = Buckets(labels, (0.01, 1.0, 67108864.0), tuple(counts), 12.5)
    (got,) = read(render([Family("h_seconds", "histogram", "help", histograms=[buckets])]).decode()).values()
    cumulated = {le: sum(counts[: n + 1]) for n, le in enumerate(("0.01", "1", "67108864", "+Inf"))}
    for le, count in cumulated.items():
        assert got.samples["h_seconds_bucket", frozenset({*labels, ("le", le)})] == count
    assert got.samples["h_seconds_count", frozenset(labels)] == sum(counts)
    assert got.samples["h_seconds_sum", frozenset(labels)] == 12.5


def test_the_escapes_are_those_of_the_format():
    text = render(
        [Family("m", "gauge", 'back\\slash, line\nfeed, "quote"', samples=[Sample((("a", 'b\\c\nd"e'),), 1)])]
    ).decode()
    assert text == ('# HELP m back\\\\slash, line\\nfeed, "quote"\n# TYPE m gauge\nm{a="b\\\\c\\nd\\"e"} 1\n')


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (1.0, "1"),
        (-3.0, "-3"),
        (0.1, "0.1"),
        (1e-7, "1e-07"),
        (2.5e20, "2.5e+20"),
        (2**53 - 1, "9007199254740991"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
    ids=str,
)
def test_numbers_are_written_as_prometheus_reads_them(value: float, written: str):
    assert number(value) == written


def counter(value: float, *, labels: tuple[tuple[str, str], ...] = ()) -> Family:
    return Family("c_total", "counter", "help", samples=[Sample(labels, value)])


def test_counters_of_several_processes_are_added_by_series():
    merged = merge(
        [[counter(1, labels=(("a", "x"),))], [counter(2, labels=(("a", "x"),)), counter(5, labels=(("a", "y"),))]]
    )
    assert [(sample.labels, sample.value) for sample in merged[0].samples] == [((("a", "x"),), 3), ((("a", "y"),), 5)]
    assert len(merged) == 1


@pytest.mark.parametrize(("combine", "value"), [("sum", 12), ("max", 7), ("min", 5)], ids=str)
def test_gauges_become_one_as_their_family_says(combine, value: float):
    families = [Family("g", "gauge", "help", combine, [Sample((), number)]) for number in (5, 7)]
    assert merge([[family] for family in families])[0].samples == [Sample((), value)]


def test_histograms_are_added_bucket_by_bucket():
    one = Family("h", "histogram", "help", histograms=[Buckets((), (1.0,), (1, 2), 3.5)])
    two = Family("h", "histogram", "help", histograms=[Buckets((), (1.0,), (10, 20), 1.5)])
    assert merge([[one], [two]])[0].histograms == [Buckets((), (1.0,), (11, 22), 5.0)]


def test_histograms_of_other_bounds_are_not_mixed():
    old = Family("h", "histogram", "help", histograms=[Buckets((), (1.0,), (1, 2), 3.5)])
    new = Family("h", "histogram", "help", histograms=[Buckets((), (1.0, 2.0), (1, 2, 3), 1.5)])
    assert merge([[old], [new]])[0].histograms == new.histograms


def test_families_survive_the_way_between_processes():
    families = [
        counter(3, labels=(("a", "x\n"),)),
        Family("h", "histogram", "help", histograms=[Buckets((("a", "b"),), (1.0,), (1, 2), 3.5)]),
    ]
    assert merge([unpack(pack(families))]) == merge([families])
    with pytest.raises(msgspec.DecodeError):
        unpack(b"no families")


def test_a_family_without_series_is_left_out():
    assert render([Family("c_total", "counter", "help")]) == b""
