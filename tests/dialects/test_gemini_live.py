"""What messages of the Live API mean to the gateway."""

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest, PolicyRefusal, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.gemini_live import DIALECT, GeminiLiveWatch
from tollway.interfaces.realtime import ClientEvent, RealtimeWatch, ServerEvent

SAYS = {"serverContent": {"modelTurn": {"parts": [{"text": "hi"}]}}}
ENDS = {"serverContent": {"turnComplete": True}}


def client(watch: RealtimeWatch, message: object) -> ClientEvent:
    return watch.client(msgspec.json.encode(message))


def server(watch: RealtimeWatch, message: object) -> ServerEvent:
    return watch.server(msgspec.json.encode(message))


def set_up() -> GeminiLiveWatch:
    watch = GeminiLiveWatch()
    client(watch, {"setup": {"model": "models/m"}})
    return watch


def test_the_setup_names_the_model_and_comes_once() -> None:
    watch = GeminiLiveWatch()
    with pytest.raises(BadRequest, match="first message"):
        client(watch, {"clientContent": {}})
    with pytest.raises(BadRequest, match="no model"):
        client(watch, {"setup": {}})
    assert client(watch, {"setup": {"model": "models/openai/m"}}).model == "openai/m"
    with pytest.raises(BadRequest, match="one setup"):
        client(watch, {"setup": {"model": "models/n"}})


@pytest.mark.parametrize(
    ("message", "asks"),
    [
        ({"clientContent": {"turnComplete": True}}, True),
        ({"client_content": {"turn_complete": True}}, True),
        ({"clientContent": {"turns": []}}, False),
        ({"clientContent": {"turnComplete": False}}, False),
        ({"realtimeInput": {"audio": {}}}, False),
        ({"toolResponse": {}}, False),
    ],
)
def test_content_that_ends_the_users_turn_asks(message: dict[str, Any], asks: bool) -> None:
    assert client(set_up(), message).asks is asks


def test_the_target_is_written_as_google_names_models() -> None:
    written = DIALECT.with_model(b'{"setup":{"model":"models/a","tools":[]}}', "b")
    assert msgspec.json.decode(written) == {"setup": {"model": "models/b", "tools": []}}
    assert b'"tunedModels/x"' in DIALECT.with_model(b'{"setup":{"model":"a"}}', "tunedModels/x")


def test_a_turn_runs_from_what_it_says_first_to_its_end_and_its_newest_usage_counts() -> None:
    watch = set_up()
    assert server(watch, {"setupComplete": {}}).response is None
    first = server(watch, {**SAYS, "usageMetadata": {"promptTokenCount": 1}})
    assert (first.begins, first.ends, first.response) == (True, False, "")
    assert not server(watch, SAYS).begins
    assert not server(watch, {"toolCall": {"functionCalls": []}}).begins
    usage = {
        "promptTokenCount": 40,
        "cachedContentTokenCount": 4,
        "responseTokenCount": 10,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 53,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 30}],
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
    }
    end = server(watch, {**ENDS, "usageMetadata": usage})
    assert end.ends
    assert end.facts is not None
    assert end.facts.usage == Usage(input_fresh=6, cache_read=4, input_audio=30, output_audio=10, reasoning=3)
    assert server(watch, SAYS).begins


def test_usage_behind_its_turn_is_counted_by_itself() -> None:
    watch = set_up()
    server(watch, SAYS)
    ended = server(watch, ENDS)
    assert ended.facts is not None
    assert ended.facts.usage is None
    late = server(watch, {"usageMetadata": {"promptTokenCount": 2, "responseTokenCount": 1}})
    assert (late.ends, late.response) == (False, None)
    assert late.facts is not None
    assert late.facts.usage == Usage(input_fresh=2, output_text=1)


def test_an_end_of_no_turn_ends_nothing() -> None:
    assert not server(set_up(), ENDS).ends


@given(
    st.binary(max_size=40)
    | st.dictionaries(
        st.sampled_from(["serverContent", "usageMetadata", "setup"]), st.none() | st.integers() | st.text()
    )
)
def test_no_message_breaks_the_watch(value: object) -> None:
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    watch = GeminiLiveWatch()
    for look, complaint in ((watch.client, BadRequest), (watch.server, UpstreamGarbled)):
        with contextlib.suppress(complaint):
            look(data)


def test_the_javascript_sdks_key_is_read_from_the_query_and_a_providers_token_refused() -> None:
    assert DIALECT.caller_headers({"key": "id:secret"}, ()) == {b"x-goog-api-key": b"id:secret"}
    assert DIALECT.passed_query({"key": "id:secret"}) == {}
    with pytest.raises(BadRequest):
        DIALECT.passed_query({"access_token": "auth_tokens/1"})


def test_it_has_no_error_event_and_closes_instead() -> None:
    error = PolicyRefusal("over", status=429)
    assert DIALECT.error_event(error, about="", new_id="x") == b""
    assert DIALECT.close_code(error) == 1013
    assert DIALECT.secret_close(1008, "API key not valid. Please pass a valid API key.")
