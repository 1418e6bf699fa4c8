"""The parts of the bench that read and judge: what they are given here, they must say."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from benchmarks import client, cpu, loads, profile, report, throughput, upstream, wrk


def figure(load: str, target: str, metric: str, *values: float) -> report.Figure:
    return report.Figure(load=load, target=target, metric=metric, values=list(values))


class TestLoads:
    @pytest.mark.parametrize("size", [2048, 50 * 1024])
    def test_a_request_has_exactly_the_size_asked_for(self, size: int) -> None:
        assert len(loads.completion_request(size)) == size

    def test_the_plan_of_a_stream_survives_the_way_through_the_prompt(self) -> None:
        plan = loads.StreamPlan(chunks=63, pause_ms=20)
        assert loads.read_plan(loads.completion_request(2048, stream=plan)) == plan

    def test_a_request_without_a_plan_asks_for_a_whole_answer(self) -> None:
        assert loads.read_plan(loads.completion_request(2048)) is None

    def test_a_request_too_small_for_its_frame_is_refused(self) -> None:
        with pytest.raises(ValueError, match="too small"):
            loads.completion_request(100)

    def test_the_answer_is_one_kilobyte_and_carries_the_mark(self) -> None:
        answer = loads.completion_answer()
        assert len(answer) == 1024
        assert loads.MARK in answer

    def test_the_stamp_of_a_chunk_is_read_back(self) -> None:
        text = loads.content_event(7) + loads.content_event(123456789)
        assert loads.read_stamps(text) == [7, 123456789]


class TestStreamReader:
    PLAN = loads.StreamPlan(chunks=5, pause_ms=0)

    def whole_stream(self) -> bytes:
        events = b"".join(loads.content_event(number) for number in range(5))
        return loads.OPENING_EVENT + events + loads.FINISH_EVENT + loads.USAGE_EVENT + loads.DONE_EVENT

    @pytest.mark.parametrize("step", [1, 7, 250, 100_000])
    def test_a_stream_cut_anywhere_is_found_right(self, step: int) -> None:
        stream = self.whole_stream()
        reader = client.ChunkClock().stream()
        for start in range(0, len(stream), step):
            reader.feed(stream[start : start + step])
        assert reader.chunks == 5
        assert reader.fault(client.Answer(status=200), self.PLAN) is None

    @pytest.mark.parametrize(
        ("missing", "fault"),
        [
            (loads.content_event(3), "4 chunks of 5"),
            (loads.DONE_EVENT, "no [DONE]"),
            (loads.USAGE_EVENT, "no usage"),
        ],
        ids=["a chunk", "the end", "the usage"],
    )
    def test_a_stream_that_lacks_something_is_wrong(self, missing: bytes, fault: str) -> None:
        reader = client.ChunkClock().stream()
        reader.feed(self.whole_stream().replace(missing, b""))
        assert reader.fault(client.Answer(status=200), self.PLAN) == fault

    def test_an_error_status_is_wrong_whatever_the_body(self) -> None:
        reader = client.ChunkClock().stream()
        reader.feed(self.whole_stream())
        assert reader.fault(client.Answer(status=500), self.PLAN) == "status 500"


class TestUpstream:
    def test_a_burst_is_one_answer_with_all_its_chunks(self) -> None:
        answer = upstream.burst_answer(63)
        assert len(loads.read_stamps(answer)) == 63
        assert answer.endswith(b"0\r\n\r\n")

    def test_a_chunk_is_framed_by_its_length_in_hexadecimal(self) -> None:
        assert upstream.http_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"


class TestClientAndUpstream:
    """The two ends of the stream bench, with nothing between them."""

    PLAN = loads.StreamPlan(chunks=3, pause_ms=1)

    @pytest.fixture
    async def port(self) -> AsyncIterator[int]:
        bursts: dict[int, bytes] = {}
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: upstream.StreamServer(bursts), "127.0.0.1", 0)
        async with server:
            yield server.sockets[0].getsockname()[1]

    def raw(self, port: int, body: bytes) -> bytes:
        return client.Call(port=port, path="/v1/chat/completions", headers={}, body=body).raw()

    @pytest.mark.parametrize("pause_ms", [0, 1], ids=["burst", "paced"])
    async def test_streams_follow_one_another_on_one_connection(self, port: int, pause_ms: int) -> None:
        plan = loads.StreamPlan(chunks=3, pause_ms=pause_ms)
        request = self.raw(port, loads.completion_request(2048, stream=plan))
        connection, clock = client.Connection(port), client.ChunkClock()
        for _ in range(2):
            answer = await client.run_stream(connection, request, plan, clock)
            assert answer is not None
            assert answer.sent_ns <= answer.first_byte_ns <= answer.end_ns
        connection.close()
        assert (clock.chunks, clock.wrong) == (6, [])

    async def test_a_request_without_a_plan_gets_the_whole_answer(self, port: int) -> None:
        wrong: list[str] = []
        connection = client.Connection(port)
        answer = await client.run_call(connection, self.raw(port, loads.completion_request(2048)), wrong)
        connection.close()
        assert answer is not None
        assert bytes(answer.body) == loads.completion_answer().encode()
        assert wrong == []

    async def test_a_connection_cut_in_the_middle_is_a_wrong_answer(self) -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(upstream.STREAM_HEAD + upstream.http_chunk(loads.content_event(0)))
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            clock = client.ChunkClock()
            request = self.raw(port, loads.completion_request(2048, stream=self.PLAN))
            assert await client.run_stream(client.Connection(port), request, self.PLAN, clock) is None
        assert len(clock.wrong) == 1
        assert clock.wrong[0].startswith("BrokenAnswerError")


class TestCpu:
    def test_a_command_name_with_brackets_and_spaces_does_not_confuse(self) -> None:
        line = "42 (a) b (c) S 7 42 42 0 -1 4194560 1 2 3 4 500 600 25 75 20 0 1 0 100 0 0"
        stat = cpu.parse_stat(line)
        assert (stat.pid, stat.parent) == (42, 7)
        assert stat.reaped_children_ns == 100 * cpu.TICK_NS

    def test_a_tree_is_the_process_and_all_below_it(self) -> None:
        parents = {1: 0, 10: 1, 11: 10, 12: 11, 20: 1}
        stats = {pid: cpu.ProcessStat(pid=pid, parent=parent, reaped_children_ns=0) for pid, parent in parents.items()}
        assert cpu.descendants(10, stats) == [10, 11, 12]
        assert cpu.descendants(99, stats) == []

    def test_work_of_a_child_is_in_the_tree_while_it_lives_and_after_it_ended(self) -> None:
        before = cpu.read_tree(os.getpid()).total_ns
        spin = "import time\nwhile time.process_time() < 0.2: pass\nprint('done', flush=True)\ninput()"
        with subprocess.Popen([sys.executable, "-c", spin], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            alive = cpu.read_tree(os.getpid()).total_ns - before
            child.communicate(b"\n")
        ended = cpu.read_tree(os.getpid()).total_ns - before
        assert alive >= 200_000_000
        assert ended >= 200_000_000 - 2 * cpu.TICK_NS

    def test_the_clock_of_this_process_agrees_with_its_own(self) -> None:
        before = time.process_time_ns()
        seen = cpu.process_cpu_ns(os.getpid())
        assert before <= seen <= time.process_time_ns()


RESULT_LINE = (
    'RESULT {"requests":1000,"duration_us":2000000,"connect":0,"read":0,"write":0,"status":0,"timeout":0,'
    '"p50_us":140.0,"p99_us":650.0,"wrong":0,"first_wrong":""}'
)


class TestWrk:
    def test_the_result_is_found_in_what_wrk_prints(self) -> None:
        result = wrk.parse_result(f"Running 3s test\n  Thread Stats\n{RESULT_LINE}\nTransfer/sec: 1MB\n")
        assert (result.requests, result.rps, result.errors) == (1000, 500.0, 0)

    def test_output_without_a_result_is_an_error_that_shows_it(self) -> None:
        with pytest.raises(wrk.StartError, match="unable to connect"):
            wrk.parse_result("unable to connect to 127.0.0.1")

    @pytest.mark.parametrize(
        ("seen", "has_fault"),
        [(1000, False), (1032, False), (999, True), (1033, True)],
        ids=["all answered", "the last cut off", "an answer from nowhere", "requests without answers"],
    )
    def test_answers_are_counted_against_the_upstream(self, seen: int, *, has_fault: bool) -> None:
        result = wrk.parse_result(RESULT_LINE)
        assert bool(throughput.find_faults(result, seen, 32)) is has_fault

    def test_a_wrong_answer_is_a_fault(self) -> None:
        line = RESULT_LINE.replace('"wrong":0,"first_wrong":""', '"wrong":3,"first_wrong":"500 no"')
        assert throughput.find_faults(wrk.parse_result(line), 1000, 32) == ["3 wrong answers, first: 500 no"]


class TestVerdicts:
    GOALS = (
        report.Goal("cpu", "json", "cpu", 3.0, over="nginx"),
        report.Goal("less than a peer", "json", "cpu", 50.0, at_least=True, under="litellm"),
        report.Goal("own", "life", "ready", 2.0),
    )

    @pytest.mark.parametrize(
        ("own", "met"), [((40.0, 46.5, 90.0), True), ((40.0, 46.6, 90.0), False)], ids=["at the limit", "over it"]
    )
    def test_a_ratio_is_that_of_the_medians(self, own: tuple[float, ...], *, met: bool) -> None:
        figures = [figure("json", "tollway", "cpu", *own), figure("json", "nginx", "cpu", 15.5)]
        [verdict] = report.judge(figures, self.GOALS)
        assert verdict.met is met
        assert verdict.measured == pytest.approx(own[1] / 15.5)

    def test_how_many_times_less_is_the_inverse(self) -> None:
        figures = [figure("json", "tollway", "cpu", 50.0), figure("json", "litellm", "cpu", 5000.0)]
        [verdict] = report.judge(figures, self.GOALS)
        assert (verdict.measured, verdict.met, verdict.limit) == (100.0, True, "≥ 50")

    def test_what_was_not_measured_has_no_verdict(self) -> None:
        assert report.judge([figure("json", "tollway", "cpu", 50.0)], self.GOALS) == []

    def test_every_goal_of_the_project_can_be_judged_from_a_full_run(self) -> None:
        targets = ("tollway", "nginx", "litellm", "portkey")
        keys = {(goal.load, goal.metric) for goal in report.GOALS}
        figures = [figure(load, target, metric, 1.0) for load, metric in sorted(keys) for target in targets]
        assert len(report.judge(figures)) == len(report.GOALS)


class TestReport:
    def test_a_table_has_a_row_for_each_target_and_the_ratio_beside_the_cpu(self) -> None:
        whole = report.Report(started="now", commit="abc", machine="m", settings={"turns": "2"})
        whole.figures = [
            figure("json", "nginx", report.CPU_US, 15.0),
            figure("json", "tollway", report.CPU_US, 30.0, 31.0, 32.0),
        ]
        text = report.markdown(whole)
        assert "| tollway | 31.0 | 2.07 |" in text
        assert "None." in text

    def test_wrong_answers_are_said(self) -> None:
        whole = report.Report(started="now", commit="abc", machine="m", settings={}, wrong=["json, x: 3 wrong"])
        assert "- json, x: 3 wrong" in report.markdown(whole)

    @pytest.mark.parametrize(
        ("value", "text"), [(0, "0"), (1234.5, "1,234"), (15.49, "15.5"), (0.123, "0.12")], ids=str
    )
    def test_numbers_show_the_digits_that_mean_something(self, value: float, text: str) -> None:
        assert report.number(value) == text

    def test_the_slope_of_a_line_is_found(self) -> None:
        assert report.slope([(0, 5), (10, 7), (20, 9)]) == pytest.approx(0.2)
        assert report.slope([(0, 5)]) == 0


class TestProfile:
    STACKS = (
        profile.Stack(
            stack=[
                "/lib/msgspec.py:decode",
                "/x/src/tollway/gateway/route.py:Router.choose",
                "/x/src/tollway/gateway/exchange.py:run",
            ],
            count=3,
        ),
        profile.Stack(
            stack=["/x/src/tollway/gateway/route.py:<module>", "<frozen importlib._bootstrap>:_load_unlocked"], count=9
        ),
        profile.Stack(stack=["/lib/asyncio/runners.py:run", "/x/src/tollway/cli/worker_process.py:main"], count=1),
    )

    def test_a_sample_belongs_to_the_innermost_function_of_ours_and_the_start_to_none(self) -> None:
        shares = profile.shares_by(self.STACKS, profile.stage_of)
        assert [(share.name, share.percent) for share in shares] == [("gateway/route.py", 75.0), (profile.LOOP, 25.0)]

    def test_the_lines_of_a_perf_report_are_read(self) -> None:
        text = "# Overhead  Shared Object\n\n    55.20%  [kernel.kallsyms]\n"
        text += "    20.05%  libpython3.11.so.1.0     [.] eval    -      -\n\n"
        assert profile.parse_perf(text) == [
            profile.Share(name="[kernel.kallsyms]", percent=55.2),
            profile.Share(name="libpython3.11.so.1.0 [.] eval", percent=20.05),
        ]
