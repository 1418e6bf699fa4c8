"""Output items of an answer: the neutral parts as items, for whole answers and for streams alike."""

from collections.abc import Iterable

from tollway.core.conversation import Reasoning
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_text
from tollway.dialects.citations import url_citation
from tollway.dialects.openai_responses.proofs import encrypted_content


def text_content(text: str, annotations: Iterable[Json] = (), logprobs: Json = None) -> JsonObject:
    """Write an `output_text` part."""
    return {
        "type": "output_text",
        "text": text,
        "annotations": annotation_objects(annotations, len(text)),
        "logprobs": logprob_objects(logprobs),
    }


def refusal_content(text: str) -> JsonObject:
    """Write a `refusal` part."""
    return {"type": "refusal", "refusal": text}


def message_item(identity: str, contents: list[JsonObject], status: str) -> JsonObject:
    """Write an assistant's message."""
    return {"type": "message", "id": identity, "status": status, "role": "assistant", "content": contents}


def reasoning_item(identity: str, part: Reasoning, *, own: bool) -> JsonObject:
    """Write thinking. `own`: a provider of this API wrote it."""
    item: JsonObject = {
        "type": "reasoning",
        "id": identity,
        "summary": [{"type": "summary_text", "text": text} for text in part.summary],
    }
    if part.text:
        item["content"] = [{"type": "reasoning_text", "text": part.text}]
    encrypted = encrypted_content(part, own=own)
    if encrypted is not None:
        item["encrypted_content"] = encrypted
    return item


def proof_item(identity: str, encrypted: str) -> JsonObject:
    """Write a reasoning item that holds nothing but a proof."""
    return {"type": "reasoning", "id": identity, "summary": [], "encrypted_content": encrypted}


def call_item(identity: str, call_id: str, name: str, arguments: str, *, custom: bool, status: str) -> JsonObject:
    """Write a call of a function or of a custom tool."""
    if custom:
        return {"type": "custom_tool_call", "id": identity, "call_id": call_id, "name": name, "input": arguments}
    return {
        "type": "function_call",
        "id": identity,
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
        "status": status,
    }


def image_item(identity: str, data: str) -> JsonObject:
    """Write a picture the model made."""
    return {"type": "image_generation_call", "id": identity, "status": "completed", "result": data}


def annotation_objects(annotations: Iterable[Json], length: int) -> list[JsonObject]:
    """Write citations: this API's own as they are, any other that names a page as `url_citation`."""
    written: list[JsonObject] = []
    for annotation in annotations:
        value = as_object(annotation)
        nested = isinstance(value.get("url_citation"), dict)
        if (
            as_text(value.get("type")) in {"url_citation", "file_citation", "container_file_citation", "file_path"}
            and not nested
        ):
            written.append(value)
            continue
        citation = url_citation(annotation, 0, length)
        if citation is not None:
            written.append(
                {
                    "type": "url_citation",
                    "url": citation.url,
                    "title": citation.title,
                    "start_index": citation.start_index,
                    "end_index": citation.end_index,
                }
            )
    return written


def logprob_objects(logprobs: Json) -> list[JsonObject]:
    """Write log probabilities; an empty list where there are none."""
    entries = [as_object(one) for one in as_list(logprobs)]
    return [
        {
            **one,
            "bytes": one.get("bytes") or [],
            "top_logprobs": [_top(as_object(top)) for top in as_list(one.get("top_logprobs"))],
        }
        for one in entries
        if "token" in one and "logprob" in one
    ]


def _top(entry: JsonObject) -> JsonObject:
    return {**entry, "bytes": entry.get("bytes") or []}
