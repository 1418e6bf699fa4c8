"""Turns kept by the gateway: what a follow-up sends to the provider, whose turns they are, and what when it fails."""

from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.snapshot.document import Fallback, ResponseState, Retries
from tollway.stores.response_state_memory import MemoryResponseStore
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

from .keeping import PATH, TOOL, FailingStore, WaitingStore, ask, events_of, get, keeping, spoken, text
from .serving import ANSWER, OK, chunk, in_time, policy, proxy, route, serving, soon

CHAT_ONLY: dict[str, Any] = {"provider": "openai-compatible"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
CALLS = script.reply(
    json={
        **ANSWER,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "tool_calls": [CALL]}, "finish_reason": "tool_calls"}
        ],
    }
)
STREAMED = script.sse(spoken("one ", "two ", "three"))


def chat_chunk(delta: dict[str, Any]) -> str:
    """One event of a Chat stream that is more than words."""
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": delta, "finish_reason": None}]
    return f"data: {msgspec.json.encode({**event, 'choices': choices}).decode()}\n\n"


def messages(up: ScriptedUpstream, number: int = -1) -> list[tuple[str, Any]]:
    """What a Chat upstream was sent."""
    sent: Any = up.requests[number].json()
    return [(one["role"], one.get("content")) for one in sent["messages"]]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_follow_up_sends_what_was_said_before_its_own_words(streamed: bool) -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(*([STREAMED] * 3 if streamed else [OK] * 3))
        said = "one two three" if streamed else "yes"
        stream = {"stream": True} if streamed else {}
        first = await ask(served, {"input": "hi", "instructions": "be brief", **stream})
        assert first["store"] is True
        assert first["previous_response_id"] is None
        second = await ask(served, {"input": "and?", "previous_response_id": first["id"], **stream})
        assert second["previous_response_id"] == first["id"]
        assert second["id"] != first["id"]
        assert messages(up) == [("user", "hi"), ("assistant", said), ("user", "and?")]
        third = await ask(
            served,
            {"input": "so?", "previous_response_id": second["id"], "instructions": "be kind", **stream},
        )
        assert [role for role, _ in messages(up)] == ["system", "user", "assistant", "user", "assistant", "user"]
        assert messages(up)[0] == ("system", "be kind")
        assert text(third) == said
        assert "previous_response_id" not in up.requests[-1].json()  # type: ignore[operator]


async def test_what_follows_may_branch() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK, OK, OK)
        first = await ask(served, {"input": "hi"})
        await ask(served, {"input": "left", "previous_response_id": first["id"]})
        await ask(served, {"input": "right", "previous_response_id": first["id"]})
        assert messages(up) == [("user", "hi"), ("assistant", "yes"), ("user", "right")]


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_tools_result_meets_the_call_that_is_kept(streamed: bool) -> None:
    calling = script.sse(
        [chat_chunk({"tool_calls": [{"index": 0, **CALL}]}), chunk(finish="tool_calls"), "data: [DONE]\n\n"]
    )
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(calling if streamed else CALLS, OK)
        first = await ask(served, {"input": "look", "tools": [TOOL], "stream": streamed})
        (call,) = first["output"]
        result = {"type": "function_call_output", "call_id": call["call_id"], "output": "seen"}
        await ask(served, {"input": [result], "tools": [TOOL], "previous_response_id": first["id"]})
        sent: Any = up.requests[-1].json()
        assert [one["role"] for one in sent["messages"]] == ["user", "assistant", "tool"]
        assert sent["messages"][1]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
        assert sent["messages"][2]["tool_call_id"] == "call_1"


async def test_thinking_comes_back_to_its_provider_with_its_proof() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "c2lnbmVk"}
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [thinking, {"type": "text", "text": "yes"}], "usage": {"input_tokens": 1, "output_tokens": 2},
    }  # fmt: skip
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, provider="anthropic")), store=MemoryResponseStore()) as served,
    ):
        up.on(script.reply(json=answer), script.reply(json=answer))
        first = await ask(served, {"input": "hi", "reasoning": {"effort": "low"}})
        await ask(served, {"input": "and?", "previous_response_id": first["id"], "reasoning": {"effort": "low"}})
        sent: Any = up.requests[-1].json()
        assert sent["messages"][1]["content"][0] == thinking


async def test_the_next_turn_may_go_to_another_provider() -> None:
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "yes"}], "usage": {"input_tokens": 1, "output_tokens": 2},
    }  # fmt: skip
    async with ScriptedUpstream() as chat, ScriptedUpstream() as claude:
        routes = (
            route(chat, name="chat", models=("c",), target_model=None, **CHAT_ONLY),
            route(claude, name="claude", models=("a",), target_model=None, provider="anthropic"),
        )
        async with serving(keeping(*routes), store=MemoryResponseStore()) as served:
            chat.on(OK, OK)
            claude.on(script.reply(json=answer))
            first = await ask(served, {"model": "a", "input": "hi"})
            second = await ask(served, {"model": "c", "input": "and?", "previous_response_id": first["id"]})
            assert messages(chat) == [("user", "hi"), ("assistant", "yes"), ("user", "and?")]
            await ask(served, {"model": "c", "input": "so?", "previous_response_id": second["id"]})
            assert len(messages(chat)) == 5


async def test_a_fallback_gets_the_whole_conversation() -> None:
    async with ScriptedUpstream() as up, ScriptedUpstream() as spare:
        routes = (route(up, **CHAT_ONLY), route(spare, name="spare", **CHAT_ONLY))
        kept = keeping(*routes, fallback=Fallback(route="spare"), retries=Retries(attempts=0))
        async with serving(kept, store=MemoryResponseStore()) as served:
            up.on(OK, script.failure(503))
            spare.on(OK)
            first = await ask(served, {"input": "hi"})
            second = await ask(served, {"input": "and?", "previous_response_id": first["id"]})
            assert messages(spare) == [("user", "hi"), ("assistant", "yes"), ("user", "and?")]
            assert (await get(served, f"{PATH}/{second['id']}"))[0] == 200


async def test_a_call_over_its_budget_takes_its_conversation_to_the_spare_route() -> None:
    spent = policy(request=lambda _: PolicyRefusal("spent", status=429, code="rate_limit_exceeded"))
    async with ScriptedUpstream() as up, ScriptedUpstream() as spare:
        routes = (route(up, **CHAT_ONLY), route(spare, name="spare", **CHAT_ONLY))
        fallback = Fallback(route="spare", on=frozenset({"budget"}))
        async with serving(
            keeping(*routes, fallback=fallback, policies=(spent,)), store=MemoryResponseStore()
        ) as served:
            spare.on(OK, OK)
            first = await ask(served, {"input": "hi"})
            await ask(served, {"input": "and?", "previous_response_id": first["id"]})
            assert messages(spare) == [("user", "hi"), ("assistant", "yes"), ("user", "and?")]
            assert up.requests == []


# --- a provider that keeps turns itself


async def test_a_provider_that_keeps_turns_gets_its_own_references_unread() -> None:
    body = b'{"model":"m","input":"and?","previous_response_id":"resp_68a1","store":true,"zz":1.50}'
    async with ScriptedUpstream() as up, serving(keeping(route(up)), store=MemoryResponseStore()) as served:
        up.on(*(script.reply(json={"id": name, "output": []}) for name in ("resp_68a1", "resp_68a2")))
        await served.ask(PATH, {"model": "m", "input": "hi"}, headers={"x-name": "ada"})
        answer = await served.ask(PATH, raw=body, headers={"x-name": "ada"})
        assert msgspec.json.decode(answer.body)["id"] == "resp_68a2"
        assert up.requests[1].body == body
        assert served.worker.response_store._kept == {}  # type: ignore[union-attr]


async def test_what_began_here_goes_on_here_also_with_a_provider_that_keeps_turns() -> None:
    item = {
        "type": "message", "id": "msg_68a2", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "so", "annotations": []}],
    }  # fmt: skip
    native = script.reply(
        json={"id": "resp_68a2", "model": "m", "status": "completed", "created_at": 1, "store": False, "output": [item]}
    )
    async with ScriptedUpstream() as chat, ScriptedUpstream() as up:
        routes = (
            route(chat, name="chat", models=("c",), target_model=None, **CHAT_ONLY),
            route(up, models=("o",), target_model=None),
        )
        async with serving(keeping(*routes), store=MemoryResponseStore()) as served:
            chat.on(OK, OK)
            up.on(native)
            first = await ask(served, {"model": "c", "input": "hi"})
            second = await ask(served, {"model": "o", "input": "and?", "previous_response_id": first["id"]})
            sent: Any = up.requests[0].json()
            assert sent["store"] is False
            assert sent["include"] == ["reasoning.encrypted_content"]
            assert "previous_response_id" not in sent
            assert [one["role"] for one in sent["input"]] == ["user", "assistant", "user"]
            assert second["store"] is True
            assert second["previous_response_id"] == first["id"]
            assert second["id"].startswith("resp_tollway_")
            await ask(served, {"model": "c", "input": "so?", "previous_response_id": second["id"]})
            assert messages(chat)[3] == ("assistant", "so")


# --- what is not kept


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_nothing_is_kept_where_store_is_false(streamed: bool) -> None:
    store = MemoryResponseStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(STREAMED if streamed else OK)
        answer = await ask(served, {"input": "hi", "store": False, "stream": streamed})
        assert answer["store"] is False
        assert store._kept == {}


async def test_a_follow_up_that_is_not_stored_still_knows_what_it_follows() -> None:
    store = MemoryResponseStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(OK, OK)
        first = await ask(served, {"input": "hi"})
        second = await ask(served, {"input": "and?", "previous_response_id": first["id"], "store": False})
        assert len(messages(up)) == 3
        assert (second["store"], second["previous_response_id"]) == (False, first["id"])
        assert len(store._kept) == 1


@pytest.mark.parametrize(
    "answer",
    [
        script.failure(500),
        script.cut_after(STREAMED, 2),
        script.sse([*spoken("one")[:1], 'data: {"error":{"message":"overloaded","code":503}}\n\n']),
    ],
    ids=["refused", "cut", "failed in the middle"],
)
async def test_an_answer_that_is_not_complete_is_not_kept(answer: script.Answer) -> None:
    store = MemoryResponseStore()
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY), retries=Retries(attempts=0)), store=store) as served,
    ):
        up.on(answer)
        await served.ask(PATH, {"model": "m", "input": "hi", "stream": True}, headers={"x-name": "ada"})
        assert store._kept == {}


async def test_an_answer_that_a_policy_refuses_is_not_kept() -> None:
    store = MemoryResponseStore()
    refuses = policy(response=lambda *_: PolicyRefusal("no", status=451))
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY), policies=(refuses,)), store=store) as served,
    ):
        up.on(OK, STREAMED)
        for streamed in (False, True):
            answer = await served.ask(PATH, {"model": "m", "input": "hi", "stream": streamed})
            assert answer.status == 451
        assert store._kept == {}


async def test_an_answer_cut_short_by_its_limit_is_kept_as_incomplete() -> None:
    short = {**ANSWER, "choices": [{**ANSWER["choices"][0], "finish_reason": "length"}]}
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(script.reply(json=short))
        answer = await ask(served, {"input": "hi"})
        assert (answer["status"], answer["store"]) == ("incomplete", True)
        assert (await get(served, f"{PATH}/{answer['id']}"))[1]["status"] == "incomplete"


# --- whose they are


async def test_nobody_else_can_follow_a_turn() -> None:
    async with ScriptedUpstream() as up:
        proxies = (
            keeping(route(up, **CHAT_ONLY)),
            keeping(route(up, **CHAT_ONLY), name="other", base_path="/other"),
        )
        async with serving(*proxies, store=MemoryResponseStore()) as served:
            up.on(OK, OK)
            first = await ask(served, {"input": "hi"})
            follow = {"model": "m", "input": "and?", "previous_response_id": first["id"]}
            for path, name in ((PATH, "bob"), (PATH, ""), (f"/other{PATH}", "ada"), (PATH, "ad"), (PATH, "ada\0")):
                answer = await served.ask(path, follow, headers={"x-name": name.replace("\0", "0")})
                assert answer.status == 400
                error = msgspec.json.decode(answer.body)["error"]
                assert error["code"] == "previous_response_not_found"
                assert error["param"] == "previous_response_id"
                assert error["message"] == f"Previous response with id '{first['id']}' not found."
            assert len(up.requests) == 1
            await ask(served, {"input": "and?", "previous_response_id": first["id"]})


async def test_ids_cannot_be_guessed_from_one_another() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(*[OK] * 8)
        secrets = [(await ask(served, {"input": "hi"}))["id"].removeprefix("resp_tollway_") for _ in range(8)]
        assert {len(secret) for secret in secrets} == {32}
        assert len({secret[at : at + 4] for secret in secrets for at in (0, 14, 28)}) > 20


# --- limits


async def test_what_is_too_old_is_unknown_and_deleted() -> None:
    store = MemoryResponseStore()
    state = ResponseState(ttl_seconds=0.0)
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY), state=state), store=store) as served:
        up.on(OK)
        first = await ask(served, {"input": "hi"})
        assert len(store._kept) == 1
        answer = await served.ask(
            PATH, {"model": "m", "input": "x", "previous_response_id": first["id"]}, headers={"x-name": "ada"}
        )
        assert answer.status == 400
        await served.worker._expire(store)
        assert store._kept == {}


async def test_a_conversation_may_not_grow_without_end() -> None:
    state = ResponseState(max_turns=2, max_bytes=2_000)
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY), state=state), store=MemoryResponseStore()) as served,
    ):
        up.on(*[OK] * 5)
        first = await ask(served, {"input": "hi"})
        large = {"model": "m", "input": "x" * 2_500, "previous_response_id": first["id"]}
        answer = await served.ask(PATH, large, headers={"x-name": "ada"})
        assert answer.status == 400
        assert msgspec.json.decode(answer.body)["error"]["code"] == "kept_state_too_large"
        second = await ask(served, {"input": "b", "previous_response_id": first["id"]})
        third = await ask(served, {"input": "c", "previous_response_id": second["id"]})
        answer = await served.ask(
            PATH, {"model": "m", "input": "d", "previous_response_id": third["id"]}, headers={"x-name": "ada"}
        )
        assert b"more than 2 turns" in answer.body


async def test_a_conversation_whose_beginning_was_deleted_is_not_continued_without_it() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK, OK)
        first = await ask(served, {"input": "hi"})
        second = await ask(served, {"input": "and?", "previous_response_id": first["id"]})
        assert (await get(served, f"{PATH}/{first['id']}", method="DELETE"))[0] == 200
        answer = await served.ask(
            PATH, {"model": "m", "input": "x", "previous_response_id": second["id"]}, headers={"x-name": "ada"}
        )
        assert answer.status == 400
        assert b"was deleted or has expired" in answer.body


# --- refusals


@pytest.mark.parametrize(
    ("more", "param", "words"),
    [
        ({"previous_response_id": "resp_68a1"}, "previous_response_id", "not found"),
        ({"previous_response_id": "resp_tollway_" + "0" * 32}, "previous_response_id", "not found"),
        ({"previous_response_id": 7}, "previous_response_id", "expected a string"),
        ({"conversation": "conv_tollway_" + "0" * 32}, "id", "Conversation with id"),
        ({"conversation": {"id": "conv_68a1"}}, "id", "Conversation with id"),
        ({"conversation": {}}, "conversation.id", "required"),
        ({"conversation": "c", "previous_response_id": "r"}, "previous_response_id", "in conjunction"),
        ({"background": True}, "background", "nothing like it"),
        ({"input": [{"type": "item_reference", "id": "msg_tollway" + "0" * 32 + "0"}]}, "input[0].id", "not found"),
        ({"input": [{"type": "item_reference", "id": "msg_68a1"}]}, "input[item_reference]", "nothing like it"),
    ],
    ids=[
        "a foreign response", "an unknown response", "no text", "an unknown conversation", "a foreign conversation",
        "a conversation without id", "both", "background", "an unknown item", "a foreign item",
    ],
)  # fmt: skip
async def test_what_cannot_be_followed_is_refused_by_name(more: dict[str, Any], param: str, words: str) -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        answer = await served.ask(PATH, {"model": "m", "input": "hi", **more}, headers={"x-name": "ada"})
        error = msgspec.json.decode(answer.body)["error"]
        assert answer.status in {400, 404}
        assert error["param"] == param
        assert words in error["message"]
        assert up.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","input":"\xff"}',
        b'{"model":"m","input":"hi","store":false,"previous_response_id":"\xff"}',
        b'{"model":"m","input":"hi","conversation":{"id":1e999}}',
        b'{"model":"m","input":[{"type":"item_reference","id":1e999}]}',
        b'{"model":"m","input":[' + b"[" * 90 + b'"item_reference"' + b"]" * 90 + b"]}",
    ],
    ids=["no UTF-8", "a reference that is no UTF-8", "a number", "an item's number", "deep"],
)
async def test_a_body_that_cannot_be_read_is_the_callers_error(body: bytes) -> None:
    async with serving(keeping(route("http://127.0.0.1:9/v1", **CHAT_ONLY)), store=MemoryResponseStore()) as served:
        answer = await served.ask(PATH, raw=body, headers={"x-name": "ada"})
        assert answer.status == 400
        answer = await served.ask("/v1/conversations", raw=body, headers={"x-name": "ada"})
        assert answer.status == 400


@pytest.mark.parametrize("name", ["previous_response_id", "conversation"])
async def test_where_nothing_is_kept_the_refusal_names_the_setting(name: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **CHAT_ONLY))) as served:
        answer = await served.ask(PATH, {"model": "m", "input": "hi", name: "x_1"})
        error = msgspec.json.decode(answer.body)["error"]
        assert (answer.status, error["param"]) == (400, name)
        assert "response_state" in error["message"]


async def test_a_reference_to_a_kept_item_stands_for_the_item() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK, OK)
        first = await ask(served, {"input": "hi"})
        reference = {"type": "item_reference", "id": first["output"][0]["id"]}
        again = [{"role": "user", "content": "hi"}, reference, {"role": "user", "content": "and?"}]
        await ask(served, {"input": again, "store": False})
        assert messages(up) == [("user", "hi"), ("assistant", "yes"), ("user", "and?")]


# --- conversations


async def test_a_conversation_gathers_the_items_of_its_turns() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(keeping(route(up, **CHAT_ONLY)), store=MemoryResponseStore()) as served,
    ):
        up.on(OK, STREAMED, OK)
        given = {"items": [{"role": "developer", "content": "be kind"}], "metadata": {"topic": "x"}}
        status, thread = await get(served, "/v1/conversations", method="POST", body=given)
        assert status == 200
        first = await ask(served, {"input": "hi", "conversation": thread["id"]})
        assert first["conversation"] == {"id": thread["id"]}
        await ask(served, {"input": "and?", "conversation": {"id": thread["id"]}, "stream": True, "store": False})
        await ask(served, {"input": "so?", "conversation": thread["id"]})
        assert [content for _, content in messages(up)] == ["be kind", "hi", "yes", "and?", "one two three", "so?"]


# --- when the store fails, or waits


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_cannot_be_kept_says_so_and_is_given(streamed: bool) -> None:
    store = FailingStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(STREAMED if streamed else OK)
        store.fails_to_put = True
        answer = await served.ask(PATH, {"model": "m", "input": "hi", "stream": streamed})
        response = events_of(answer)[-1]["response"] if streamed else msgspec.json.decode(answer.body)
        assert (answer.status, response["status"], response["store"]) == (200, "completed", False)
        assert b"secret" not in answer.body
        assert streamed or answer.headers["x-tollway-dropped-fields"] == "store"
        assert [line["reason"] for line in served.complaints()] == ["/secret/path: disk full"]
        assert served.record.outcome == "ok"


async def test_what_cannot_be_read_is_an_error_of_ours_that_may_be_repeated() -> None:
    store = FailingStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(OK)
        first = await ask(served, {"input": "hi"})
        store.fails_to_get = True
        answer = await served.ask(
            PATH, {"model": "m", "input": "x", "previous_response_id": first["id"]}, headers={"x-name": "ada"}
        )
        assert (answer.status, answer.headers["x-should-retry"]) == (503, "true")
        assert b"secret" not in answer.body
        assert len(served.complaints()) == 1
        assert len(up.requests) == 1


async def test_the_end_of_a_stream_waits_until_the_answer_is_kept_and_the_rest_does_not() -> None:
    store = WaitingStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(STREAMED)
        call = await served.send(PATH, {"model": "m", "input": "hi", "stream": True}, headers={"x-name": "ada"})
        await in_time(store.asked.wait())
        await in_time(call.until("response.output_item.done"))
        assert b"response.completed" not in call.received
        assert served.record.outcome == "ok"  # the record is there before the caller's last byte, as ever
        store.go_on.set()
        answer = await in_time(call.rest())
        assert answer.whole
        events = events_of(answer)
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        assert events[-1]["type"] == "response.completed"


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
async def test_a_caller_that_leaves_while_its_answer_is_kept_ends_nothing_twice(streamed: bool) -> None:
    store = WaitingStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        up.on(STREAMED if streamed else OK)
        call = await served.send(PATH, {"model": "m", "input": "hi", "stream": streamed}, headers={"x-name": "ada"})
        await in_time(store.asked.wait())
        await call.leave()
        store.go_on.set()
        await soon(lambda: len(store._kept) == 1)
        await soon(lambda: not served.worker._tasks)
        assert served.record.outcome == "ok"


async def test_a_caller_that_leaves_while_its_turns_are_fetched_is_recorded_and_asks_no_provider() -> None:
    store = WaitingStore()
    async with ScriptedUpstream() as up, serving(keeping(route(up, **CHAT_ONLY)), store=store) as served:
        body = {"model": "m", "input": "hi", "previous_response_id": "resp_tollway_" + "0" * 32}
        call = await served.send(PATH, body, headers={"x-name": "ada"})
        await in_time(store.asked.wait())
        await call.leave()
        await soon(lambda: not served.worker.connections)
        store.go_on.set()
        await soon(lambda: len(served.records) == 1)
        assert served.record.outcome == "cancelled"
        assert up.requests == []


async def test_policies_see_every_event_of_a_kept_stream_the_last_one_too() -> None:
    seen: list[bytes] = []

    def event(_exchange: Any, event: Any) -> Any:
        seen.append(event.event)
        return event

    async with (
        ScriptedUpstream() as up,
        serving(
            keeping(route(up, **CHAT_ONLY), policies=(policy(event=event),)), store=MemoryResponseStore()
        ) as served,
    ):
        up.on(STREAMED)
        await ask(served, {"input": "hi", "stream": True})
        assert seen[0] == b"response.created"
        assert seen[-1] == b"response.completed"


async def test_a_proxy_that_keeps_turns_needs_a_store() -> None:
    with pytest.raises(ValueError, match="response_state"):
        async with serving(keeping(route("http://127.0.0.1:9/v1", **CHAT_ONLY))):
            pass
