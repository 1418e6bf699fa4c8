"""What the Messages endpoint refuses, and what it reads from and writes to its prompt cache."""

import pytest

FRANCE = [{"role": "user", "content": "What is the capital of France?"}]
GOOD = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": FRANCE}
THINK = {"type": "enabled", "budget_tokens": 1024}
REFUSED = {
    "no json": (b"{", "JSON"),
    "no model": ({"max_tokens": 5, "messages": FRANCE}, "model: Field required"),
    "no limit": ({"model": "claude-sonnet-4-5", "messages": FRANCE}, "max_tokens: Field required"),
    "no messages": ({"model": "claude-sonnet-4-5", "max_tokens": 5}, "messages: Field required"),
    "empty messages": (GOOD | {"messages": []}, "at least one message"),
    "odd role": (GOOD | {"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
    "zero limit": (GOOD | {"max_tokens": 0}, "max_tokens"),
    "hot": (GOOD | {"temperature": 1.5}, "temperature"),
    "no budget": (GOOD | {"thinking": {"type": "enabled"}}, "budget_tokens: Field required"),
    "small budget": (GOOD | {"thinking": THINK | {"budget_tokens": 10}}, "1024"),
    "budget over limit": (GOOD | {"thinking": THINK}, "max_tokens"),
    "wrong type": (GOOD | {"max_tokens": "many"}, "max_tokens"),
}


@pytest.mark.parametrize(("body", "words"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_is_refused_with_the_member_at_fault(call, body, words):
    answer = call("anthropic").post("/v1/messages", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"]) == (400, "invalid_request_error")
    assert words in error["message"]


def usage(call, system, **extra):
    blocks = [
        {"type": "text", "text": text} | ({"cache_control": control} if control else {}) for text, control in system
    ]
    return call("anthropic").post("/v1/messages", GOOD | {"system": blocks} | extra).json()["usage"]


def test_a_prefix_is_written_by_the_first_call_and_read_by_the_next(call):
    system = [("first prefix " * 500, {"type": "ephemeral"})]
    first, second = usage(call, system), usage(call, system)
    written = first["cache_creation_input_tokens"]
    assert written == first["cache_creation"]["ephemeral_5m_input_tokens"] == 1625
    assert (second["cache_read_input_tokens"], second["cache_creation_input_tokens"]) == (written, 0)
    assert first["input_tokens"] == second["input_tokens"] < 100


def test_a_longer_prefix_reads_the_old_part_and_writes_the_rest(call):
    old = ("second prefix " * 500, {"type": "ephemeral"})
    usage(call, [old])
    longer = usage(call, [old, ("and more " * 500, {"type": "ephemeral", "ttl": "1h"})])
    assert longer["cache_read_input_tokens"] == 1750
    assert longer["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 1125}


@pytest.mark.parametrize(
    "system",
    [[("short", {"type": "ephemeral"})], [("not marked " * 500, None)]],
    ids=["too short", "not marked"],
)
def test_nothing_is_cached_that_is_short_or_not_marked(call, system):
    first, second = usage(call, system), usage(call, system)
    assert first == second
    assert (first["cache_read_input_tokens"], first["cache_creation_input_tokens"]) == (0, 0)


def test_images_cost_tokens_and_are_mentioned(call):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    content = [image, {"type": "text", "text": "What is this?"}]
    answer = call("anthropic").post("/v1/messages", GOOD | {"messages": [{"role": "user", "content": content}]}).json()
    assert "one image" in answer["content"][0]["text"]
    assert answer["usage"]["input_tokens"] > 1500
