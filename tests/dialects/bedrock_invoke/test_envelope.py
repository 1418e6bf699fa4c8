import msgspec
import pytest

from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_invoke.envelope import closed, opened


def test_a_body_becomes_the_messages_request_it_stands_for_and_back() -> None:
    body = b'{"anthropic_version":"bedrock-2023-05-31","max_tokens":5,"messages":[]}'
    request = opened(body, model="m", stream=True)
    assert msgspec.json.decode(request) == {"max_tokens": 5, "messages": [], "model": "m", "stream": True}
    assert msgspec.json.decode(closed(request)) == msgspec.json.decode(body)


def test_another_familys_body_is_refused_with_what_would_mend_it() -> None:
    with pytest.raises(BadRequest, match="call Converse") as caught:
        opened(b'{"inputText":"hi"}', model="m", stream=False)
    assert caught.value.param == "anthropic_version"
