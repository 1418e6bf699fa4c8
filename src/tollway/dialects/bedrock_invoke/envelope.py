"""Anthropic's Messages as InvokeModel carries them: the model and the wish for a stream are in the path.

Bodies of other model families are schemas of their own, one for each. They pass to Amazon Bedrock as
they are; nobody else can be asked for them.
"""

from typing import Final

import msgspec

from tollway.core.errors import BadRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import decode_answer, decode_request

VERSION_MEMBER: Final = "anthropic_version"
VERSION: Final = "bedrock-2023-05-31"


def opened(body: bytes, *, model: str, stream: bool) -> bytes:
    """Write a caller's body as the Messages request it stands for.

    Raises:
        BadRequest: it is the request of another model family.
    """
    members = decode_request(body)
    if members.pop(VERSION_MEMBER, None) is None:
        raise BadRequest(
            f"{VERSION_MEMBER}: required, because this model is served by another provider than Amazon Bedrock, for "
            "which only Anthropic's Messages can be translated from InvokeModel; call Converse, or choose a model of "
            "Amazon Bedrock",
            code="unsupported_parameter",
            param=VERSION_MEMBER,
        )
    members["model"] = model
    if stream:
        members["stream"] = True
    return msgspec.json.encode(members)


def closed(body: bytes) -> bytes:
    """Write a Messages request as the body that InvokeModel wants."""
    members: JsonObject = {VERSION_MEMBER: VERSION}
    members |= {
        name: value for name, value in decode_answer(body, "request").items() if name not in {"model", "stream"}
    }
    return msgspec.json.encode(members)
