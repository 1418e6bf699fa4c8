"""What can be asked about kept turns and conversations, and that others learn nothing of them."""

from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.snapshot.document import ResponseState
from tollway.stores.response_state_memory import MemoryResponseStore
from tollway.testing.upstream import ScriptedUpstream

from .keeping import PATH, FailingStore, ask, get, keeping
from .serving import OK, policy, proxy, route, serving

CHAT_ONLY: dict[str, Any] = {"provider": "openai-compatible"}
THREADS = "/v1/conversations"
NOWHERE = "http://127.0.0.1:9/v1"
UNKNOWN = "0" * 32


async def test_a_kept_response_is_shown_as_it_was_given_and_deleted_for_good() -> None:
    store = MemoryResponseStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(OK)
        given = await ask(served, {"input": "hi", "metadata": {"a": "b"}})
        place = f"{PATH}/{given['id']}"
        assert await get(served, place) == (200, given)
        assert await get(served, place, method="DELETE") == (
            200,
            {"id": given["id"], "object": "response", "deleted": True},
        )
        assert store._kept == {}
        for method in ("GET", "DELETE"):
            status, answer = await get(served, place, method=method)
            assert status == 404
            assert answer["error"]["message"] == f"Response with id '{given['id']}' not found."


async def test_what_a_response_was_made_from_is_listed_page_by_page() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK, OK)
        first = await ask(served, {"input": "one", "instructions": "never listed"})
        items = [{"role": "user", "content": "two"}, {"role": "user", "content": "three", "id": "msg_mine"}]
        second = await ask(served, {"input": items, "previous_response_id": first["id"]})
        place = f"{PATH}/{second['id']}/input_items"
        _, whole = await get(served, f"{place}?order=asc")
        texts = [item["content"][0]["text"] for item in whole["data"]]
        assert texts == ["one", "yes", "two", "three"]
        assert all(item["id"] and item["status"] == "completed" for item in whole["data"])
        assert whole["data"][1] == first["output"][0]
        assert (whole["first_id"], whole["last_id"], whole["has_more"]) == (whole["data"][0]["id"], "msg_mine", False)
        _, newest = await get(served, f"{place}?limit=3")
        assert [item["content"][0]["text"] for item in newest["data"]] == ["three", "two", "yes"]
        assert newest["has_more"] is True
        _, rest = await get(served, f"{place}?after={newest['last_id']}")
        assert [item["content"][0]["text"] for item in rest["data"]] == ["one"]
        assert rest["has_more"] is False
        _, empty = await get(served, f"{place}?after={rest['last_id']}")
        assert (empty["data"], empty["first_id"]) == ([], None)


@pytest.mark.parametrize(
    ("query", "param"),
    [("order=up", "order"), ("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("after=no", "after")],
)
async def test_a_page_that_cannot_be_is_refused(query: str, param: str) -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK)
        given = await ask(served, {"input": "one"})
        status, answer = await get(served, f"{PATH}/{given['id']}/input_items?{query}")
        assert (status, answer["error"]["param"]) == (400, param)


async def test_what_is_complete_can_neither_be_cancelled_nor_streamed_again() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK)
        given = await ask(served, {"input": "one"})
        status, answer = await get(served, f"{PATH}/{given['id']}/cancel", method="POST")
        assert status == 400
        assert "background" in answer["error"]["message"]
        status, answer = await get(served, f"{PATH}/{given['id']}?stream=true")
        assert (status, answer["error"]["param"]) == (400, "stream")


async def test_a_conversation_is_made_told_changed_and_deleted() -> None:
    store = MemoryResponseStore()
    async with serving(keeping(route(NOWHERE, **CHAT_ONLY)), store=store) as served:
        given = {"metadata": {"topic": "x"}, "items": [{"role": "user", "content": "hi"}]}
        status, thread = await get(served, THREADS, method="POST", body=given)
        assert status == 200
        assert (thread["object"], thread["metadata"]) == ("conversation", {"topic": "x"})
        place = f"{THREADS}/{thread['id']}"
        assert await get(served, place) == (200, thread)
        changed = {**thread, "metadata": {"topic": "y"}}
        assert await get(served, place, method="POST", body={"metadata": {"topic": "y"}}) == (200, changed)
        assert await get(served, place) == (200, changed)
        _, items = await get(served, f"{place}/items")
        assert len(items["data"]) == 1
        _, gone = await get(served, place, method="DELETE")
        assert gone == {"id": thread["id"], "object": "conversation.deleted", "deleted": True}
        assert store._kept == {}
        for method, path in (("GET", place), ("DELETE", place), ("GET", f"{place}/items")):
            assert (await get(served, path, method=method))[0] == 404


async def test_items_are_added_shown_and_deleted_one_by_one() -> None:
    async with serving(keeping(route(NOWHERE, **CHAT_ONLY)), store=MemoryResponseStore()) as served:
        _, thread = await get(served, THREADS, method="POST")
        place = f"{THREADS}/{thread['id']}/items"
        new = [{"role": "user", "content": "a"}, {"type": "message", "role": "assistant", "content": "b"}]
        status, added = await get(served, place, method="POST", body={"items": new})
        assert status == 200
        assert [item["content"][0]["type"] for item in added["data"]] == ["input_text", "output_text"]
        first, second = (item["id"] for item in added["data"])
        assert await get(served, f"{place}/{first}") == (200, added["data"][0])
        assert await get(served, f"{place}/{first}", method="DELETE") == (200, thread)
        status, answer = await get(served, f"{place}/{first}")
        assert (status, answer["error"]["message"]) == (404, f"Item with id '{first}' not found.")
        _, left = await get(served, place)
        assert [item["id"] for item in left["data"]] == [second]


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"items": [{}] * 21}, "items"),
        ("", {"items": [{"content": "x"}]}, "items[0]"),
        ("", {"items": ["x"]}, "items[0]"),
        ("", {"metadata": {"a": 1}}, "metadata"),
        ("", {"metadata": {str(number): "x" for number in range(17)}}, "metadata"),
        ("", {"zz": 1}, "zz"),
        ("/{id}", {}, "metadata"),
        ("/{id}", {"metadata": {}, "items": []}, "items"),
        ("/{id}/items", {}, "items"),
        ("/{id}/items", {"items": []}, "items"),
        ("/{id}/items", {"items": [{"role": "user", "content": "x" * 600}]}, "items"),
    ],
)
async def test_what_a_conversation_cannot_be_told_is_refused(path: str, body: object, param: str) -> None:
    state = ResponseState(max_bytes=500)
    async with serving(keeping(route(NOWHERE, **CHAT_ONLY), state=state), store=MemoryResponseStore()) as served:
        _, thread = await get(served, THREADS, method="POST")
        status, answer = await get(served, THREADS + path.format(id=thread["id"]), method="POST", body=body)
        assert (status, answer["error"]["param"]) == (400, param)


async def test_others_find_nothing_in_the_words_for_what_never_was() -> None:
    store = MemoryResponseStore()
    async with ScriptedUpstream() as up:
        proxies = (
            keeping(route(up, **CHAT_ONLY)),
            keeping(route(up, **CHAT_ONLY), name="other", base_path="/other"),
        )
        async with serving(*proxies, store=store) as served:
            up.on(OK)
            given = await ask(served, {"input": "hi"})
            _, thread = await get(served, THREADS, method="POST", body={"items": [{"role": "user", "content": "a"}]})
            _, items = await get(served, f"{THREADS}/{thread['id']}/items")
            before = dict(store._kept)
            asked: list[tuple[str, str, object]] = [
                ("GET", f"{PATH}/{{turn}}", None),
                ("GET", f"{PATH}/{{turn}}/input_items", None),
                ("POST", f"{PATH}/{{turn}}/cancel", None),
                ("DELETE", f"{PATH}/{{turn}}", None),
                ("GET", f"{THREADS}/{{thread}}", None),
                ("POST", f"{THREADS}/{{thread}}", {"metadata": {"a": "b"}}),
                ("GET", f"{THREADS}/{{thread}}/items", None),
                ("POST", f"{THREADS}/{{thread}}/items", {"items": [{"role": "user", "content": "a"}]}),
                ("GET", f"{THREADS}/{{thread}}/items/{items['first_id']}", None),
                ("DELETE", f"{THREADS}/{{thread}}/items/{items['first_id']}", None),
                ("DELETE", f"{THREADS}/{{thread}}", None),
            ]
            theirs = {"turn": given["id"], "thread": thread["id"]}
            nobodys = {"turn": f"resp_tollway_{UNKNOWN}", "thread": f"conv_tollway_{UNKNOWN}"}
            for method, path, body in asked:
                for base, name in (("", "bob"), ("", ""), ("/other", "ada")):
                    found = await get(served, base + path.format(**theirs), name=name, method=method, body=body)
                    never = await get(served, base + path.format(**nobodys), name=name, method=method, body=body)
                    assert found[0] == 404
                    shown = msgspec.json.encode(found[1]).decode()
                    for kind, identity in theirs.items():
                        shown = shown.replace(identity, nobodys[kind])
                    assert (404, msgspec.json.decode(shown)) == never
            assert store._kept == before


@pytest.mark.parametrize(
    "path",
    [
        f"{PATH}/resp_68a1",
        f"{PATH}/conv_tollway_{UNKNOWN}",
        f"{PATH}/..%2f..",
        f"{PATH}/a/b/c",
        f"{THREADS}/resp_tollway_{UNKNOWN}",
        f"{THREADS}/x/items/y/items/z",
    ],
)
async def test_a_name_that_is_none_of_ours_is_unknown(path: str) -> None:
    async with serving(keeping(route(NOWHERE, **CHAT_ONLY)), store=MemoryResponseStore()) as served:
        assert (await get(served, path))[0] == 404


async def test_a_conversation_cannot_be_reached_as_a_response_and_the_other_way_round() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK)
        given = await ask(served, {"input": "hi"})
        _, thread = await get(served, THREADS, method="POST")
        for method in ("GET", "DELETE"):
            assert (await get(served, f"{PATH}/{thread['id']}", method=method))[0] == 404
            assert (await get(served, f"{THREADS}/{given['id']}", method=method))[0] == 404


async def test_where_nothing_is_kept_the_answer_names_the_setting() -> None:
    async with serving(proxy(route(NOWHERE, **CHAT_ONLY))) as served:
        status, answer = await get(served, f"{PATH}/resp_1")
        assert status == 404
        assert "response_state" in answer["error"]["message"]


async def test_questions_are_recorded_as_calls_that_used_nothing_and_policies_may_refuse_them() -> None:
    refuses = policy(request=lambda exchange: PolicyRefusal("no") if exchange.header("x-name") == "eve" else None)
    async with serving(
        keeping(route(NOWHERE, **CHAT_ONLY), policies=(refuses,)), store=MemoryResponseStore()
    ) as served:
        assert (await get(served, THREADS, method="POST"))[0] == 200
        assert (await get(served, THREADS, method="POST", name="eve"))[0] == 403
        (record,) = served.records
        assert (record.operation, record.attempt, record.usage.total_tokens) == ("kept-thread-creation", 0, 0)


async def test_a_store_that_fails_is_told_to_the_operator_and_not_to_the_caller() -> None:
    store = FailingStore()
    async with serving(keeping(route(NOWHERE, **CHAT_ONLY)), store=store) as served:
        store.fails_to_put = True
        status, answer = await get(served, THREADS, method="POST")
        assert status == 503
        assert "secret" not in answer["error"]["message"]
        assert len(served.complaints()) == 1
