"""Ollama's Generate, a lone prompt and its answer, documented at https://docs.ollama.com/api/generate.

Rules of this file:
- A prompt is a conversation of one user message, with `system` before it. What has another meaning than
  that (`context` of an earlier answer, `raw` text, a `template`, a `suffix` to lead up to, the size of a
  picture to make) is for servers of this API alone; for any other provider the request is refused.
- Written for a provider, a conversation of more than one turn, or one with tools, is refused: no
  provider prefers this API, so callers of others reach it only where somebody wants just that.
"""

from collections.abc import Mapping
from typing import Final

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses, Message, Part, Text
from tollway.core.errors import BadRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import Fields, decode_request
from tollway.dialects.carrying import carried_specific, refuse_content, refuse_field
from tollway.dialects.ollama_chat import OllamaChat
from tollway.dialects.ollama_chat.answer import parse_answer, render_answer
from tollway.dialects.ollama_chat.content import pictures
from tollway.dialects.ollama_chat.lines import prompt_words
from tollway.dialects.ollama_chat.messages_out import MessageWriter
from tollway.dialects.ollama_chat.names import FIELD_NAMES
from tollway.dialects.ollama_chat.request_in import streams
from tollway.dialects.ollama_chat.request_out import finished, report
from tollway.dialects.ollama_chat.settings import SPECIFIC, read_settings, write_settings
from tollway.dialects.ollama_chat.stream_in import LineParser
from tollway.dialects.ollama_chat.stream_out import LineRenderer
from tollway.interfaces.dialect import ConversationDialect, Endpoint, ModelList, StreamFraming
from tollway.interfaces.provider import Provider

_NAME: Final = "ollama-generate"
_ESSENTIAL: Final = frozenset({"context", "height", "raw", "steps", "suffix", "template", "width"})


class OllamaGenerate(OllamaChat):
    """Both sides of Ollama's Generate."""

    name: str = _NAME
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="conversation", dialect=_NAME, path="/api/generate", versions=("",), streams="unless-false"),
    )
    field_names: Mapping[str, str] = {**FIELD_NAMES, "messages": "prompt"}
    models: ModelList | None = None
    kept_members: frozenset[str] = frozenset()
    keeps_answers: bool = False

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request; the body alone says the model and whether to stream."""
        del path_model, stream
        return _parse_request(body)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        return render_answer(answer, request.model, prompt_words, now=now, dialect=_NAME)

    def stream_renderer(self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming) -> LineRenderer:
        """Make the writer of one stream."""
        del new_id, framing
        return LineRenderer(request.model, prompt_words, now=now, dialect=_NAME)

    def render_request(self, request: Conversation, provider: Provider, losses: Losses) -> bytes:
        """Write a request for `provider`.

        Raises:
            BadRequest: it is more than one prompt.
        """
        return _render_request(request, provider, losses)

    def parse_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer."""
        return parse_answer(body, _NAME)

    def stream_parser(self) -> LineParser:
        """Make the reader of one stream."""
        return LineParser(_NAME)


def _parse_request(body: bytes) -> Conversation:
    fields = Fields(decode_request(body))
    specific = fields.take_present(SPECIFIC) | _said(fields.take_present(_ESSENTIAL))
    model = fields.required_text("model")
    system, prompt = fields.text("system"), fields.text("prompt")
    parts: list[Part] = [Text(prompt)] if prompt else []
    parts += pictures(fields)
    if not parts:
        raise BadRequest(
            "prompt: required; loading a model without a prompt is for servers that speak this API themselves",
            code="missing_required_parameter",
            param="prompt",
        )
    settings = read_settings(fields, specific)
    question = Message("user", tuple(parts))
    return Conversation(
        dialect=_NAME,
        model=model,
        messages=(Message("system", (Text(system),)), question) if system else (question,),
        max_output_tokens=settings.max_output_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        top_k=settings.top_k,
        presence_penalty=settings.presence_penalty,
        frequency_penalty=settings.frequency_penalty,
        seed=settings.seed,
        stop=settings.stop,
        output=settings.output,
        reasoning=settings.reasoning,
        logprobs=fields.flag("logprobs"),
        top_logprobs=fields.integer("top_logprobs"),
        stream=streams(fields),
        stream_usage=True,
        specific=specific,
        essential=tuple(sorted(_ESSENTIAL & specific.keys())),
        rest=fields.rest(),
    )


def _said(members: JsonObject) -> JsonObject:
    """Leave out what says nothing: clients send an empty template and an empty context as a matter of course."""
    return {name: value for name, value in members.items() if value}


def _render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    own = request.dialect == _NAME
    specific = carried_specific(request, _NAME, losses)
    if not own:
        report(request, losses)
    if request.tools:
        refuse_field(request, "tools", "the provider takes a lone prompt, without tools")
    written = MessageWriter(request, losses).write()
    system = [message["content"] for message in written if message["role"] == "system"]
    said = [message for message in written if message["role"] != "system"]
    turns = [message for message in request.messages if message.role not in {"system", "developer"}]
    if len(turns) != 1 or turns[0].role != "user":
        refuse_content(request, "the provider takes a lone prompt; send one message of a user")
    body: JsonObject = {"model": request.model, "prompt": "\n\n".join(one["content"] for one in said if one["content"])}
    if system:
        body["system"] = "\n\n".join(system)
    images = [image for message in said for image in message.get("images", ())]
    if images:
        body["images"] = images
    write_settings(body, request, specific, losses, own=own)
    body["stream"] = request.stream
    return finished(body, request, provider, losses)


DIALECT: Final[ConversationDialect] = OllamaGenerate()
