"""Responses kept by a running gateway, through OpenAI's SDK: loops, two workers, two tenants, kills, and the disk."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from tests.docs.blocks import named
from tests.e2e.conftest import sim_routes
from tests.e2e.test_sdk_openai import MODELS, RESPONSES_TOOL
from tests.support.running import Gateway, environment, key_file, until

from tollway.testing.sim.app import RunningSim

KEPT_HERE = ["anthropic", "gemini", "ollama", "vllm"]
SECRETS = {"ada": "adas-client-secret-8816", "bob": "bobs-client-secret-3925"}
MARK = "the merger of Foxglove and Larkspur"


def resources(folder: Path, sim: RunningSim, **state: Any) -> dict[str, Any]:
    """Two workers, two client applications, and a proxy that keeps responses."""
    return {
        "gateway": {"workers": 2},
        "clients": [
            {"name": name, "client_id": name, "secrets": [key_file(folder, name, secret)]}
            for name, secret in SECRETS.items()
        ],
        "credentials": [{"name": "key", "values": key_file(folder)}],
        "llm_proxies": [
            {
                "name": "assistant",
                "base_path": "/assistant",
                "routes": sim_routes(sim),
                "policies": [{"policy": "client-id-enforcement"}],
                "contracts": "all",
                "response_state": state,
            }
        ],
    }


@pytest.fixture(scope="module")
def keeping(sim: RunningSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("keeping")
    with Gateway(folder, resources(folder, sim)) as running:
        yield running


def connect(gateway: Gateway, name: str = "ada") -> openai.OpenAI:
    headers = {"client_id": name, "client_secret": SECRETS[name]}
    return openai.OpenAI(
        base_url=f"{gateway.url}/assistant/v1", api_key="unused", max_retries=0, default_headers=headers
    )


@pytest.fixture
def client(keeping: Gateway) -> Iterator[openai.OpenAI]:
    with connect(keeping) as made:
        yield made


def create(client: openai.OpenAI, streamed: bool, **question: Any) -> Response:
    """Ask, whole or streamed."""
    if not streamed:
        return client.responses.create(**question)
    with client.responses.stream(**question) as stream:
        for _ in stream:
            pass
        return stream.get_final_response()


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", KEPT_HERE)
def test_a_loop_with_a_tool_sends_only_what_is_new(client: openai.OpenAI, provider: str, streamed: bool) -> None:
    question: dict[str, Any] = {"model": MODELS[provider], "tools": [RESPONSES_TOOL]}
    first = create(client, streamed, input="What is the weather in Paris?", **question)
    assert first.store is True
    (call,) = [item for item in first.output if item.type == "function_call"]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "17 degrees and drizzle"}
    second = create(client, streamed, input=[result], previous_response_id=first.id, **question)
    assert "17 degrees" in second.output_text
    assert second.previous_response_id == first.id
    third = create(
        client,
        streamed,
        input="Reply with exactly: understood",
        previous_response_id=second.id,
        model=MODELS[provider],
    )
    assert third.output_text == "understood"
    assert first.usage is not None
    assert third.usage is not None
    assert third.usage.input_tokens > first.usage.input_tokens  # the earlier turns were read, and are paid for
    listed = client.responses.input_items.list(third.id, order="asc")
    assert next(item.type for item in listed) == "message"
    assert {item.type for item in listed} >= {"message", "function_call", "function_call_output"}


def test_the_next_turn_may_be_another_providers(client: openai.OpenAI) -> None:
    previous = None
    for number, provider in enumerate([*KEPT_HERE, "openai", "azureopenai", "anthropic"]):
        answer = client.responses.create(
            model=MODELS[provider],
            input=f"Reply with exactly: number {number}",
            **({} if previous is None else {"previous_response_id": previous.id}),
        )
        assert answer.output_text == f"number {number}"
        assert answer.id.startswith("resp_tollway_")
        previous = answer
    assert previous is not None
    items = list(client.responses.input_items.list(previous.id, order="asc", limit=4))  # the SDK turns the pages
    assert len(items) == 13


def test_a_follow_up_is_known_to_whichever_worker_gets_it(keeping: Gateway) -> None:
    assert len(keeping.workers()) == 2
    previous: str | None = None
    for number in range(12):
        with connect(keeping) as fresh:  # a connection of its own, which either worker may take
            more: dict[str, Any] = {} if previous is None else {"previous_response_id": previous}
            answer = create(
                fresh, number % 2 == 1, model=MODELS["anthropic"], input=f"Reply with exactly: {number}", **more
            )
            assert answer.output_text == str(number)
            assert fresh.responses.retrieve(answer.id).output_text == str(number)
            previous = answer.id


def test_the_example_of_the_documentation_runs(keeping: Gateway) -> None:
    code = named("how-to/keep-responses.md")["follow-up"]
    environ = environment(GATEWAY_URL=keeping.url, CLIENT_ID="ada", CLIENT_SECRET=SECRETS["ada"])
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == ("Paris, as I said\n", 0), done.stderr


def test_a_conversation_is_kept_by_its_own_name(client: openai.OpenAI) -> None:
    thread = client.conversations.create(metadata={"topic": "x"}, items=[{"role": "developer", "content": "be kind"}])
    for streamed in (False, True):
        answer = create(
            client, streamed, model=MODELS["gemini"], input="Reply with exactly: so", conversation=thread.id
        )
        assert answer.conversation is not None
        assert answer.conversation.id == thread.id
    items = list(client.conversations.items.list(thread.id, order="asc", limit=2))
    assert [getattr(item, "role", None) for item in items] == ["developer", "user", "assistant", "user", "assistant"]
    client.conversations.items.create(thread.id, items=[{"role": "user", "content": "more"}])
    client.conversations.items.delete(str(items[1].id), conversation_id=thread.id)
    assert len(list(client.conversations.items.list(thread.id))) == 5
    assert client.conversations.update(thread.id, metadata={"topic": "y"}).metadata == {"topic": "y"}
    assert client.conversations.delete(thread.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(thread.id)


def test_another_tenant_finds_nothing(keeping: Gateway, client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODELS["anthropic"], input="hi")
    thread = client.conversations.create()
    with connect(keeping, "bob") as other:
        asked: list[Callable[[], object]] = [
            lambda: other.responses.retrieve(answer.id),
            lambda: other.responses.delete(answer.id),
            lambda: other.responses.input_items.list(answer.id),
            lambda: other.responses.cancel(answer.id),
            lambda: other.conversations.retrieve(thread.id),
            lambda: other.conversations.delete(thread.id),
            lambda: other.conversations.items.list(thread.id),
            lambda: other.conversations.items.create(thread.id, items=[{"role": "user", "content": "x"}]),
            lambda: other.responses.create(model=MODELS["gemini"], input="x", conversation=thread.id),
        ]
        for ask in asked:
            with pytest.raises(openai.NotFoundError):
                ask()
        with pytest.raises(openai.BadRequestError) as refused:
            other.responses.create(model=MODELS["gemini"], input="x", previous_response_id=answer.id)
        assert refused.value.code == "previous_response_not_found"
    assert client.responses.retrieve(answer.id).id == answer.id
    client.responses.delete(answer.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_a_provider_that_keeps_responses_itself_is_left_to_it(client: openai.OpenAI) -> None:
    answer = client.responses.create(model=MODELS["openai"], input="Reply with exactly: so")
    assert not answer.id.startswith("resp_tollway_")
    with pytest.raises(openai.BadRequestError) as refused:  # and no other can go on from there
        client.responses.create(model=MODELS["anthropic"], input="x", previous_response_id=answer.id)
    assert refused.value.code == "previous_response_not_found"


def test_turns_outlive_workers_and_gateway_and_are_nowhere_to_be_read(sim: RunningSim, tmp_path: Path) -> None:
    with Gateway(tmp_path, resources(tmp_path, sim)) as gateway:
        question: dict[str, Any] = {"model": MODELS["anthropic"]}
        with connect(gateway) as client:
            first = create(client, True, input=f"Repeat after me: {MARK}", **question)
            assert first.output_text == MARK
        workers = gateway.workers()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(gateway.workers()) - set(workers)) == 2, "two new workers")
        with connect(gateway) as client:
            second = until(lambda: _answered(client, first.id, **question), "an answer of the new workers")
        gateway.kill()
        gateway.start()
        with connect(gateway) as client:
            third = client.responses.create(input="and so?", previous_response_id=second.id, **question)
            listed = client.responses.input_items.list(third.id, order="asc").data
            assert MARK in listed[1].content[0].text  # type: ignore[union-attr, index]
        assert not any(MARK.encode() in file.read_bytes() for file in gateway.data_dir.rglob("*") if file.is_file())
        assert all(file.stat().st_mode & 0o077 == 0 for file in gateway.data_dir.glob("response-state*"))
        assert MARK not in gateway.stderr


def _answered(client: openai.OpenAI, previous: str, **question: Any) -> Response | None:
    try:
        return client.responses.create(input="go on", previous_response_id=previous, **question)
    except openai.APIConnectionError:
        return None  # a worker is only being started


def test_turns_end_when_their_time_is_over_or_keeping_is_switched_off(sim: RunningSim, tmp_path: Path) -> None:
    with Gateway(tmp_path, resources(tmp_path, sim, ttl="1s")) as gateway, connect(gateway) as client:
        answer = client.responses.create(model=MODELS["anthropic"], input="hi")

        def unknown() -> bool:
            try:
                client.responses.retrieve(answer.id)
            except openai.NotFoundError:
                return True
            return False

        until(unknown, "the end of its time")
        written = gateway.resources
        proxy = {name: value for name, value in written["llm_proxies"][0].items() if name != "response_state"}
        gateway.write({**written, "llm_proxies": [proxy]})
        gateway.signal(signal.SIGHUP)

        def refused() -> str:
            try:
                client.responses.create(model=MODELS["anthropic"], input="x", previous_response_id=answer.id)
            except openai.BadRequestError as error:
                return error.message if "response_state" in error.message else ""
            return ""

        until(refused, "a refusal that names the setting")
