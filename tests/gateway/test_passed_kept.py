"""Nobody sees what another made, whatever way is tried; what a batch used is metered once."""

from typing import Any

import msgspec
import pytest

from tollway.core.ids import ClientId
from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.ownership import OwnershipUnavailable
from tollway.interfaces.policy import Authentication, PolicyExchange
from tollway.testing import script
from tollway.testing.script import Cut, Send
from tollway.testing.upstream import ScriptedUpstream

from .serving import CHAT, MESSAGES, OK, USED, Served, policy, proxy, route, serving

PRODUCTION_LOOP = True
FORM = {"content-type": "multipart/form-data; boundary=b0"}
UPLOAD = (
    b'--b0\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    b'--b0\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n--b0--\r\n'
)
MINE, THEIRS = {"who": "me"}, {"who": "them"}


def identify(exchange: PolicyExchange) -> None:
    name = exchange.raw_header(b"who")
    if name is not None:
        exchange.identify(
            Authentication(client=ClientApplication(client_id=ClientId(name.decode()), name=name.decode()))
        )


USES = (policy(name="identify", request=identify),)


def kept(up: ScriptedUpstream, **settings: Any) -> Any:
    plain = {"target_model": None, **settings}
    return proxy(route(up, **plain), policies=USES, format="any")


async def made(served: Served, up: ScriptedUpstream, identity: str, *, who: dict[str, str] = MINE) -> None:
    """Let a client upload a file that the provider calls `identity`."""
    up.enqueue(script.reply(json={"id": identity, "object": "file"}))
    answer = await served.ask("/v1/files", raw=UPLOAD, headers={**FORM, **who})
    assert msgspec.json.decode(answer.body)["id"] == identity


def ids(answer: Any) -> list[str]:
    return [one["id"] for one in msgspec.json.decode(answer.body)["data"]]


async def test_what_one_made_it_can_read_and_delete_and_nobody_else() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        await made(served, up, "file-1")
        assert up.requests[0].request.body == UPLOAD
        up.on(script.reply(json={"id": "file-1", "deleted": True}))
        before = len(up.requests)
        for who in (THEIRS, {}):
            for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/content")):
                answer = await served.ask(f"/v1/files/file-1{path}", method=method, raw=b"", headers=who)
                assert answer.status == 404
                assert msgspec.json.decode(answer.body)["error"]["code"] == "not_found"
        assert len(up.requests) == before
        assert (await served.ask("/v1/files/file-1", method="GET", headers=MINE)).status == 200
        sent = up.requests[-1].request
        assert (sent.method, sent.target, sent.body) == ("GET", "/v1/files/file-1", b"")
        assert "content-length" not in dict(sent.headers)
        assert (await served.ask("/v1/files/file-1", method="DELETE", raw=b"", headers=MINE)).status == 200
        assert (await served.ask("/v1/files/file-1", method="GET", headers=MINE)).status == 404


async def test_unknown_and_foreign_things_are_answered_alike() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        await made(served, up, "file-1", who=THEIRS)
        answers = [await served.ask(f"/v1/files/{one}", method="GET", headers=MINE) for one in ("file-1", "file-2")]
        bodies = [one.body.replace(b"file-2", b"file-1") for one in answers]
        assert bodies[0] == bodies[1]
        assert len(up.requests) == 1


async def test_callers_without_a_client_share_a_place_in_each_proxy_and_no_other() -> None:
    async with ScriptedUpstream() as up:
        routes = route(up, target_model=None)
        proxies = [proxy(routes, name=name, base_path=f"/{name}", policies=USES) for name in ("a", "b")]
        async with serving(*proxies) as served:
            up.on(script.reply(json={"id": "file-1"}))
            await served.ask("/a/v1/files", raw=UPLOAD, headers=FORM)
            assert (await served.ask("/a/v1/files/file-1", method="GET")).status == 200
            assert (await served.ask("/b/v1/files/file-1", method="GET")).status == 404
            assert (await served.ask("/a/v1/files/file-1", method="GET", headers=MINE)).status == 404


async def test_a_thing_is_asked_for_where_it_is() -> None:
    async with ScriptedUpstream() as here, ScriptedUpstream() as there:
        routes = [route(one, name=name, target_model=None) for name, one in (("here", here), ("there", there))]
        async with serving(proxy(*routes, policies=USES)) as served:
            there.on(script.reply(json={"id": "file-1"}))
            here.on(script.reply(json={"id": "file-2"}))
            await served.ask("/v1/files", raw=UPLOAD, headers={**FORM, **MINE, "x-llm-proxy-route": "there"})
            await served.ask("/v1/files/file-1", method="GET", headers=MINE)
            assert [one.route for one in served.records] == ["there", "there"]
            refused = await served.ask("/v1/files/file-1", method="GET", headers={**MINE, "x-llm-proxy-route": "here"})
            assert refused.status == 404
            await served.ask("/v1/files", raw=UPLOAD, headers={**FORM, **MINE})
            mixed = {"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "metadata": {"file_id": "x"}}
            there.on(script.reply(json={"id": "batch_1"}))
            assert (await served.ask("/v1/batches", mixed, headers=MINE)).status == 200
            both = {"name": "s", "file_ids": ["file-1", "file-2"]}
            assert (await served.ask("/v1/vector_stores", both, headers=MINE)).status == 404


BODIES = {
    "a batch's input": ("/v1/batches", {"input_file_id": "file-1", "endpoint": "/v1/chat/completions"}),
    "a vector store's files": ("/v1/vector_stores", {"file_ids": ["file-1"]}),
    "training": ("/v1/fine_tuning/jobs", {"model": "m", "training_file": "file-1"}),
    "validation": ("/v1/fine_tuning/jobs", {"model": "m", "training_file": "mine", "validation_file": "file-1"}),
    "a file in a chat": (
        "/v1/chat/completions",
        {"model": "m", "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]},
    ),
    "a file in a response": (
        "/v1/responses",
        {"model": "m", "input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]},
    ),
    "a search in a response": (
        "/v1/responses",
        {"model": "m", "input": "x", "tools": [{"type": "file_search", "vector_store_ids": ["file-1"]}]},
    ),
    "the turn before": ("/v1/responses", {"model": "m", "input": "x", "previous_response_id": "file-1"}),
    "a conversation": ("/v1/responses", {"model": "m", "input": "x", "conversation": {"id": "file-1"}}),
}


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize(("path", "body"), BODIES.values(), ids=BODIES)
async def test_an_id_inside_a_body_must_be_ones_own(path: str, body: Any, escaped: bool) -> None:
    raw = msgspec.json.encode(body)
    if escaped:
        for name in (
            b"input_file_id",
            b"file_ids",
            b"training_file",
            b"validation_file",
            b"file_id",
            b"vector_store_ids",
            b"previous_response_id",
            b"conversation",
        ):
            raw = raw.replace(b'"%b"' % name, b'"\\u00%02x%b"' % (name[0], name[1:]))
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        await made(served, up, "file-1", who=THEIRS)
        await made(served, up, "mine")
        answer = await served.ask(path, raw=raw, headers=MINE)
        assert answer.status == 404
        assert "file-1" in msgspec.json.decode(answer.body)["error"]["message"]
        assert len(up.requests) == 2
        up.on(script.reply(json={"id": "made-1"}))
        assert (await served.ask(path, raw=raw.replace(b'"file-1"', b'"mine"'), headers=MINE)).status == 200


async def test_what_a_caller_attaches_for_itself_is_no_id() -> None:
    body = {**CHAT, "metadata": {"file_id": "x", "conversation": "y"}}
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        up.on(OK)
        assert (await served.ask("/v1/chat/completions", body)).status == 200
        assert (
            await served.ask("/v1/responses", {"model": "m", "input": "x", "metadata": {"conversation": "y"}})
        ).status == 200


async def test_a_body_that_only_some_can_read_is_refused() -> None:
    raw = b'{"model":"m","messages":[{"role":"user","content":"\xff"}],"file_id":"x"}'
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        assert (await served.ask("/v1/chat/completions", raw=raw)).status == 400
        assert up.requests == []


@pytest.mark.parametrize("stored", [True, False, None])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_an_answer_that_is_kept_belongs_to_who_asked(streamed: bool, stored: bool | None) -> None:
    response = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": [], "usage": None}
    shown = msgspec.json.encode(response).decode()
    events = [
        f'event: response.{kind}\ndata: {{"type":"response.{kind}","response":{shown}}}\n\n'
        for kind in ("created", "completed")
    ]
    body = {"model": "m", "input": "x", "stream": streamed, **({} if stored is None else {"store": stored})}
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        up.enqueue(script.sse(events) if streamed else script.reply(json=response))
        assert (await served.ask("/v1/responses", body, headers=MINE)).status == 200
        up.on(script.reply(json=response))
        follow = {"model": "m", "input": "y", "previous_response_id": "resp_1"}
        expected = 404 if stored is False else 200
        assert (await served.ask("/v1/responses", follow, headers=MINE)).status == expected
        assert (await served.ask("/v1/responses/resp_1", method="GET", headers=MINE)).status == expected
        assert (await served.ask("/v1/responses", follow, headers=THEIRS)).status == 404
        assert (await served.ask("/v1/responses/resp_1/input_items", method="GET", headers=THEIRS)).status == 404
        assert (await served.ask("/v1/responses/resp_1", method="DELETE", raw=b"", headers=THEIRS)).status == 404


async def test_a_provider_that_keeps_nothing_is_not_asked_whose_it_is() -> None:
    body = {**CHAT, "messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}]}
    async with ScriptedUpstream() as up, serving(kept(up, provider="vllm")) as served:
        up.on(OK)
        assert (await served.ask("/v1/chat/completions", body)).status == 200


# --- lists


def page(*names: str, more: bool = False) -> Any:
    data = [{"id": name} for name in names]
    return script.reply(
        json={"object": "list", "data": data, "first_id": names[0], "last_id": names[-1], "has_more": more, "x": 1}
    )


async def test_a_list_shows_ones_own() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        await made(served, up, "a")
        await made(served, up, "b", who=THEIRS)
        up.on(page("a", "b", "c"))
        answer = await served.ask("/v1/files?purpose=batch", method="GET", headers=MINE)
        body = msgspec.json.decode(answer.body)
        assert body == {
            "object": "list",
            "data": [{"id": "a"}],
            "first_id": "a",
            "last_id": "a",
            "has_more": False,
            "x": 1,
        }
        assert up.requests[-1].request.target == "/v1/files?purpose=batch"
        assert ids(await served.ask("/v1/files", method="GET")) == []


async def test_pages_are_read_until_the_callers_own_is_full() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        for name in ("m1", "m2", "m3"):
            await made(served, up, name)
        up.enqueue(page("x1", "x2", more=True), page("x3", "m1", more=True), page("m2", "m3", more=True))
        answer = await served.ask("/v1/files?limit=2&order=asc", method="GET", headers=MINE)
        assert (ids(answer), msgspec.json.decode(answer.body)["has_more"]) == (["m1", "m2"], True)
        targets = [one.request.target for one in up.requests[-3:]]
        assert targets == [
            "/v1/files?limit=2&order=asc",
            "/v1/files?limit=2&order=asc&after=x2",
            "/v1/files?limit=2&order=asc&after=m1",
        ]
        last = served.records[-3:]
        assert [(one.attempt, one.final, one.outcome) for one in last] == [
            (1, False, "ok"),
            (2, False, "ok"),
            (3, True, "ok"),
        ]
        assert len({one.call_id for one in last}) == 1


async def test_a_list_without_end_is_read_only_so_far() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        up.on(page("x", more=True))
        answer = await served.ask("/v1/files?limit=2", method="GET", headers=MINE)
        assert (ids(answer), len(up.requests)) == ([], 25)


# --- batches


LINES = [
    {
        "id": "r1",
        "custom_id": "one",
        "response": {"status_code": 200, "body": {"id": "c1", "model": "m-1", "choices": [], "usage": USED}},
    },
    {"id": "r2", "custom_id": "two", "response": {"status_code": 429, "body": {"error": {}}}},
    {
        "id": "r3",
        "custom_id": "three",
        "response": {
            "status_code": 200,
            "body": {
                "id": "resp",
                "model": "m-1",
                "output": [],
                "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            },
        },
    },
]
RESULTS = b"".join(msgspec.json.encode(one) + b"\n" for one in LINES)


async def batched(served: Served, up: ScriptedUpstream) -> None:
    await made(served, up, "file-in")
    up.enqueue(script.reply(json={"id": "batch_1", "status": "validating"}))
    await served.ask("/v1/batches", {"input_file_id": "file-in"}, headers=MINE)
    done = {"id": "batch_1", "status": "completed", "output_file_id": "file-out", "error_file_id": None}
    up.enqueue(script.reply(json=done))
    assert (await served.ask("/v1/batches/batch_1", method="GET", headers=MINE)).status == 200


@pytest.mark.parametrize("cut", [1, 7, 100_000])
async def test_the_results_of_a_batch_are_metered_line_by_line_and_once(cut: int) -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        await batched(served, up)
        assert (await served.ask("/v1/files/file-out/content", method="GET", headers=THEIRS)).status == 404
        pieces = [RESULTS[at : at + cut] for at in range(0, len(RESULTS), cut)]
        up.on(
            script.Answer(
                headers=[("content-type", "application/octet-stream")],
                acts=[Send(one) for one in pieces],
                framing="chunked",
            )
        )
        before = len(served.records)
        for _ in range(2):
            answer = await served.ask("/v1/files/file-out/content", method="GET", headers=MINE)
            assert (answer.status, answer.body) == (200, RESULTS)
        *lines, download, again = served.records[before:]
        assert [(one.operation, one.usage) for one in (download, again)] == [("file", NO_USAGE)] * 2
        assert [(one.usage, one.outcome, one.status, one.served_model) for one in lines] == [
            (Usage(input_fresh=30, output_text=20), "ok", 200, "m-1"),
            (NO_USAGE, "error", 429, ""),
            (Usage(input_fresh=1, output_text=2), "ok", 200, "m-1"),
        ]
        assert {(one.service_tier, one.operation, one.client_id, one.attempt) for one in lines} == {
            ("batch", "conversation", "me", 1)
        }
        assert len({one.id for one in lines}) == 3


async def test_a_download_that_breaks_off_meters_the_same_lines_again_under_the_same_ids() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        await batched(served, up)
        head = [("content-type", "application/octet-stream")]
        half = RESULTS[: len(RESULTS) // 2]
        up.enqueue(
            script.Answer(headers=head, acts=[Send(half), Cut()], framing="chunked"),
            script.reply(headers=head, body=RESULTS),
        )
        before = len(served.records)
        broken = await served.ask("/v1/files/file-out/content", method="GET", headers=MINE)
        assert not broken.whole
        await served.ask("/v1/files/file-out/content", method="GET", headers=MINE)
        lines = [one for one in served.records[before:] if one.service_tier == "batch"]
        assert [one.id for one in lines] == [lines[0].id, lines[0].id, lines[2].id, lines[3].id]
        assert lines[0] == lines[1]


async def test_results_of_anthropic_lead_here_and_are_metered() -> None:
    message = {"id": "msg_1", "model": "c-1", "usage": {"input_tokens": 5, "output_tokens": 6}}
    results = msgspec.json.encode({"custom_id": "a", "result": {"type": "succeeded", "message": message}})
    batch = {"id": "msgbatch_1", "results_url": "https://api.example/v1/messages/batches/msgbatch_1/results"}
    version = {"anthropic-version": "2023-06-01", **MINE}
    async with ScriptedUpstream() as up, serving(kept(up, provider="anthropic")) as served:
        up.enqueue(script.reply(json=batch), script.reply(json=batch))
        await served.ask(
            "/v1/messages/batches", {"requests": [{"custom_id": "a", "params": MESSAGES}]}, headers=version
        )
        answer = await served.ask("/v1/messages/batches/msgbatch_1", method="GET", headers=version)
        link = msgspec.json.decode(answer.body)["results_url"]
        assert link == "http://gateway/v1/messages/batches/msgbatch_1/results"
        up.on(script.reply(headers=[("content-type", "application/x-jsonl")], body=results))
        answer = await served.ask(link.removeprefix("http://gateway"), method="GET", headers=version)
        assert answer.body == results
        line = served.records[-2]
        assert (line.usage, line.service_tier, line.response_id) == (
            Usage(input_fresh=5, output_text=6),
            "batch",
            "msg_1",
        )
        foreign = await served.ask("/v1/messages/batches/msgbatch_1", method="GET", headers={**version, **THEIRS})
        assert foreign.status == 404
        assert msgspec.json.decode(foreign.body)["type"] == "error"


async def test_files_of_two_apis_are_told_apart_by_their_header() -> None:
    async with ScriptedUpstream() as up:
        routes = [route(up, name=name, provider=name, target_model=None) for name in ("openai", "anthropic")]
        async with serving(proxy(*routes, format="any", policies=USES)) as served:
            up.on(script.reply(json={"id": "file_1"}))
            await served.ask("/v1/files", raw=UPLOAD, headers={**FORM, **MINE})
            await served.ask("/v1/files", raw=UPLOAD, headers={**FORM, **MINE, "anthropic-version": "2023-06-01"})
            assert [one.provider for one in served.records] == ["openai", "anthropic"]


# --- a store that fails


class Broken:
    def claim(self, *_: object) -> Any:
        raise OwnershipUnavailable("disk")

    find = settle = release = claim


async def test_where_nobody_can_tell_whose_it_is_nothing_is_shown() -> None:
    async with ScriptedUpstream() as up, serving(kept(up)) as served:
        served.worker.ownership = Broken()
        up.on(script.reply(json={"id": "file-1"}))
        made_anyway = await served.ask("/v1/files", raw=UPLOAD, headers={**FORM, **MINE})
        assert (made_anyway.status, b"file-1" in made_anyway.body) == (503, False)
        assert len(up.requests) == 1
        assert (await served.ask("/v1/files/file-1", method="GET", headers=MINE)).status == 503
        up.enqueue(page("a"))
        assert (await served.ask("/v1/files", method="GET", headers=MINE)).status == 503
