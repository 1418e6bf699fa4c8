"""Writes `docs/reference/translation.md` by asking the dialects: which request field reaches which API.

python tools/docs_translation.py            write it
python tools/docs_translation.py --check    exit 1 when it is not what the dialects do
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import msgspec

from tollway.core.conversation import Losses
from tollway.core.errors import BadRequest
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

Body: TypeAlias = dict[str, Any]

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "translation.md"

_PROVIDER: Final = Provider(
    name="any", title="Any", docs="", base_url=None, conversation={}, signer=Bearer(), default_max_output_tokens=1024
)

_TITLES: Final = {
    "openai-chat": "Chat Completions",
    "openai-responses": "Responses",
    "anthropic-messages": "Messages",
    "gemini": "generateContent",
    "bedrock-converse": "Converse",
    "cohere-chat": "Cohere Chat",
    "ollama-chat": "Ollama Chat",
}

_MODELS: Final = {
    "anthropic-messages": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "bedrock-converse": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "cohere-chat": "command-a-03-2025",
    "ollama-chat": "llama3.2",
}
"""Models whose names tell what they can do; any name serves for the others."""

_SCHEMA: Final[Body] = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
_CALL: Final[Body] = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
_PNG: Final = "data:image/png;base64,iVBORw0KGgo="
_PDF: Final = "data:application/pdf;base64,JVBERi0="


def _said(*parts: Body) -> Body:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, *parts]}]}


def _items(*items: Body) -> Body:
    return {"input": [{"role": "user", "content": "hi"}, *items]}


_CHAT_TOOL: Final[Body] = {"type": "function", "function": {"name": "f", "parameters": _SCHEMA}}
_FLAT_TOOL: Final[Body] = {"type": "function", "name": "f", "parameters": _SCHEMA}

_CHAT: Final[Mapping[str, Body]] = {
    "system message": {"messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}]},
    "developer message": {"messages": [{"role": "developer", "content": "x"}, {"role": "user", "content": "hi"}]},
    "message `name`": {"messages": [{"role": "user", "content": "hi", "name": "ada"}]},
    "`image_url` (address)": _said({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    "`image_url` (inline)": _said({"type": "image_url", "image_url": {"url": _PNG}}),
    "`input_audio`": _said({"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    "`file` (inline)": _said({"type": "file", "file": {"filename": "a.pdf", "file_data": _PDF}}),
    "`file` (by id)": _said({"type": "file", "file": {"file_id": "file-1"}}),
    "content part of an unknown type": _said({"type": "video_url", "video_url": {"url": "https://example.com"}}),
    "`cache_control` on a part": _said({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}),
    "tool calls and results": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": "x"},
        ],
        "tools": [_CHAT_TOOL],
    },
    "`reasoning_content` of the history": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "x", "reasoning_content": "y"},
            {"role": "user", "content": "go on"},
        ]
    },
    "`tools` (functions)": {"tools": [_CHAT_TOOL]},
    "`tools` (custom)": {"tools": [{"type": "custom", "custom": {"name": "c"}}]},
    "`tools` (built in, unknown)": {"tools": [_CHAT_TOOL, {"type": "web_search"}]},
    "`tool_choice`": {"tools": [_CHAT_TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
    "`tool_choice` (allowed_tools)": {
        "tools": [_CHAT_TOOL],
        "tool_choice": {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
    },
    "`parallel_tool_calls`": {"tools": [_CHAT_TOOL], "parallel_tool_calls": False},
    "`functions`, `function_call`": {"functions": [{"name": "f", "parameters": _SCHEMA}], "function_call": "auto"},
    "`max_completion_tokens`, `max_tokens`": {"max_completion_tokens": 64},
    "`temperature`": {"temperature": 0.5},
    "`top_p`": {"top_p": 0.5},
    "`top_k` (extension)": {"top_k": 5},
    "`presence_penalty`": {"presence_penalty": 0.5},
    "`frequency_penalty`": {"frequency_penalty": 0.5},
    "`seed`": {"seed": 7},
    "`stop`": {"stop": ["END"]},
    "`n` above 1": {"n": 2},
    "`response_format` (json_object)": {"response_format": {"type": "json_object"}},
    "`response_format` (json_schema)": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": _SCHEMA}}
    },
    "`reasoning_effort`": {"reasoning_effort": "low"},
    "`verbosity`": {"verbosity": "low"},
    "`logprobs`, `top_logprobs`": {"logprobs": True, "top_logprobs": 2},
    "`logit_bias`": {"logit_bias": {"1": 5}},
    "`modalities` with audio, `audio`": {
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
    },
    "`prediction`": {"prediction": {"type": "content", "content": "x"}},
    "`web_search_options`": {"web_search_options": {}},
    "`user`": {"user": "u"},
    "`metadata`": {"metadata": {"a": "b"}},
    "`service_tier`": {"service_tier": "default"},
    "`store`": {"store": True},
    "`prompt_cache_key`": {"prompt_cache_key": "k"},
    "`safety_identifier`": {"safety_identifier": "s"},
    "a field unknown to this API": {"brand_new": 1},
}

_RESPONSES: Final[Mapping[str, Body]] = {
    "`instructions`": {"instructions": "x"},
    "`input_image` (address)": _items(
        {"role": "user", "content": [{"type": "input_image", "image_url": "https://example.com/a.png"}]}
    ),
    "`input_file` (inline)": _items(
        {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": _PDF}]}
    ),
    "`input_file` (address)": _items(
        {"role": "user", "content": [{"type": "input_file", "file_url": "https://example.com/a.pdf"}]}
    ),
    "`input_file` (by id)": _items({"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}),
    "function calls and outputs": {
        **_items(
            {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "call_1", "output": "x"},
        ),
        "tools": [_FLAT_TOOL],
    },
    "`reasoning` item": _items(
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "message", "role": "assistant", "content": "x"},
        {"role": "user", "content": "go on"},
    ),
    "`item_reference`": _items({"type": "item_reference", "id": "msg_1"}),
    "an item of a built-in tool": _items(
        {"type": "web_search_call", "id": "ws_1", "status": "completed"}, {"role": "user", "content": "go on"}
    ),
    "`tools` (functions)": {"tools": [_FLAT_TOOL]},
    "`tools` (custom)": {"tools": [{"type": "custom", "name": "c"}]},
    "`tools` (built in)": {"tools": [_FLAT_TOOL, {"type": "web_search"}]},
    "`tool_choice` of a built-in tool": {"tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}},
    "`tool_choice` of a function": {"tools": [_FLAT_TOOL], "tool_choice": {"type": "function", "name": "f"}},
    "`parallel_tool_calls`": {"tools": [_FLAT_TOOL], "parallel_tool_calls": False},
    "`max_output_tokens`": {"max_output_tokens": 64},
    "`temperature`": {"temperature": 0.5},
    "`top_p`": {"top_p": 0.5},
    "`text.format`": {"text": {"format": {"type": "json_schema", "name": "a", "schema": _SCHEMA}}},
    "`text.verbosity`": {"text": {"verbosity": "low"}},
    "`reasoning.effort`": {"reasoning": {"effort": "low"}},
    "`reasoning.summary`": {"reasoning": {"summary": "auto"}},
    "`include` (encrypted reasoning)": {"include": ["reasoning.encrypted_content"]},
    "`top_logprobs`": {"top_logprobs": 2},
    "`truncation: auto`": {"truncation": "auto"},
    "`max_tool_calls`": {"max_tool_calls": 2},
    "`previous_response_id`": {"previous_response_id": "resp_1"},
    "`conversation`": {"conversation": "conv_1"},
    "`prompt`": {"prompt": {"id": "pmpt_1"}},
    "`background: true`": {"background": True},
    "`client_metadata`": {"client_metadata": {"a": "b"}},
    "`user`": {"user": "u"},
    "`metadata`": {"metadata": {"a": "b"}},
    "`service_tier`": {"service_tier": "default"},
    "`store`": {"store": True},
    "`prompt_cache_key`": {"prompt_cache_key": "k"},
    "`safety_identifier`": {"safety_identifier": "s"},
    "a field unknown to this API": {"brand_new": 1},
}

_COHERE: Final[Mapping[str, Body]] = {
    "`image_url` (address)": _said({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    "`image_url` (inline)": _said({"type": "image_url", "image_url": {"url": _PNG}}),
    "`documents`": {"documents": ["x", {"id": "d", "data": {"snippet": "y"}}]},
    "tool plan, calls and results (documents too)": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "tool_plan": "x", "tool_calls": [_CALL]},
            {
                "role": "tool",
                "tool_call_id": "call_1",
                "content": [{"type": "document", "document": {"data": {"a": "b"}}}],
            },
        ],
        "tools": [_CHAT_TOOL],
    },
    "`thinking` of the history": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "y"}, {"type": "text", "text": "x"}]},
            {"role": "user", "content": "go on"},
        ]
    },
    "`tools`": {"tools": [_CHAT_TOOL]},
    "`strict_tools`": {"tools": [_CHAT_TOOL], "strict_tools": True},
    "`tool_choice`": {"tools": [_CHAT_TOOL], "tool_choice": "REQUIRED"},
    "`max_tokens`": {"max_tokens": 64},
    "`temperature`": {"temperature": 0.5},
    "`p`": {"p": 0.5},
    "`k`": {"k": 5},
    "`presence_penalty`, `frequency_penalty`": {"presence_penalty": 0.5, "frequency_penalty": 0.5},
    "`seed`": {"seed": 7},
    "`stop_sequences`": {"stop_sequences": ["END"]},
    "`response_format` (json_object)": {"response_format": {"type": "json_object"}},
    "`response_format` (with `json_schema`)": {"response_format": {"type": "json_object", "json_schema": _SCHEMA}},
    "`thinking`": {"thinking": {"type": "enabled", "token_budget": 1024}},
    "`logprobs`": {"logprobs": True},
    "`safety_mode`": {"safety_mode": "STRICT"},
    "`citation_options`": {"citation_options": {"mode": "fast"}},
    "`priority`": {"priority": 1},
    "a field unknown to this API": {"brand_new": 1},
}

_OLLAMA: Final[Mapping[str, Body]] = {
    "`images`": {"messages": [{"role": "user", "content": "hi", "images": ["iVBORw0KGgo="]}]},
    "tool calls and results, with ids or without": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]},
            {"role": "tool", "tool_name": "f", "content": "x"},
        ],
        "tools": [_CHAT_TOOL],
    },
    "`thinking` of the history": {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "x", "thinking": "y"},
            {"role": "user", "content": "go on"},
        ]
    },
    "`tools`": {"tools": [_CHAT_TOOL]},
    "`format` (json)": {"format": "json"},
    "`format` (a schema)": {"format": _SCHEMA},
    "`think`": {"think": "low"},
    "`options.num_predict`": {"options": {"num_predict": 64}},
    "`options.temperature`": {"options": {"temperature": 0.5}},
    "`options.top_p`": {"options": {"top_p": 0.5}},
    "`options.top_k`": {"options": {"top_k": 5}},
    "`options.seed`": {"options": {"seed": 7}},
    "`options.stop`": {"options": {"stop": ["END"]}},
    "`options.presence_penalty`, `options.frequency_penalty`": {
        "options": {"presence_penalty": 0.5, "frequency_penalty": 0.5}
    },
    "other `options` (`num_ctx`)": {"options": {"num_ctx": 4096}},
    "`logprobs`, `top_logprobs`": {"logprobs": True, "top_logprobs": 2},
    "`keep_alive`": {"keep_alive": "5m"},
    "a field unknown to this API": {"brand_new": 1},
}

_PROBES: Final[Mapping[str, tuple[Body, Mapping[str, Body]]]] = {
    "openai-chat": ({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, _CHAT),
    "openai-responses": ({"model": "m", "input": "hi"}, _RESPONSES),
    "cohere-chat": ({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, _COHERE),
    "ollama-chat": ({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, _OLLAMA),
}

_INTRODUCTION: Final = """\
# What reaches which API

<!-- Made by tools/docs_translation.py from what the dialects do: change those. -->

Where a caller and a provider speak the same API, bytes pass and nothing below applies.
Otherwise a request is read into a neutral conversation and written anew. For each field, one of these happens:

- *passes*: the provider gets it, under the name and in the form its own API has for it;
- *left out*: the provider's API has no word for it; the answer's `x-tollway-dropped-fields` header names it;
- *refused*: without it the request would be another one; the caller gets a 400 that names it.

A provider may refuse more fields than its API does; those are left out and reported as well.

What has no field of its own travels like this, in answers and back in the next request:

| what | Chat Completions | Responses |
|---|---|---|
| thinking | `reasoning_content` (read as `reasoning` too) | a `reasoning` item's `content` or `summary` |
| a provider's signature or encrypted thinking | `reasoning_details`: `reasoning.text`, `reasoning.summary`, \
`reasoning.encrypted` (`thinking_blocks` is read too) | the `reasoning` item's `encrypted_content` |
| Gemini's signature of a tool call | the call's `extra_content.google.thought_signature` | a `reasoning` item \
before the call |
| Gemini's signature of a text | the message's `extra_content.google.thought_signature` | not told |
| pictures the model made | the message's `images` | an `image_generation_call` item |
| a call of a custom tool, from a model that has functions only | unwrapped from the function's `input` | the same |
| pictures and files in a tool's result | a user message after the run of results | the output's own parts |

Further rules:

- Thinking of the history reaches a provider that can prove it is its own, and no other.
- A budget of thinking tokens becomes an effort: up to 2,048 `low`, up to 10,240 `medium`, above `high`.
- `metadata` reaches Chat Completions only together with `store: true`, as OpenAI demands.
- Responses providers are told `store: false` unless the caller asked for storage.
- What refers to earlier answers (`previous_response_id`, `conversation`, `item_reference`) is refused below; with
  [`response_state`](../how-to/keep-responses.md) the gateway keeps them, and every provider gets the items themselves.
- Of built-in tools only those of the provider's own API reach it; a tool choice that demands another is refused.
- Cohere takes plain text files as `documents`, and its own callers' documents reach other providers as text files. \
Numbers outside its ranges are moved to the nearest end, and reported.
- Ollama has no `tool_choice`: a tool that must not be called is not shown, and a demand for a call is reported. \
Pictures go to it inline alone.
- Ollama's `/api/generate` is a conversation of one user message; `context`, `raw`, `template` and `suffix` are \
refused where the provider is not Ollama.
"""


def page() -> str:
    """The whole page."""
    return _INTRODUCTION + "".join(_table(source, base, probes) for source, (base, probes) in _PROBES.items())


def _table(source: str, base: Body, probes: Mapping[str, Body]) -> str:
    targets = [target for target in _TITLES if target != source]
    lines = [
        f"\n## Callers of {_TITLES[source]}\n\n",
        "| field | " + " | ".join(_TITLES[target] for target in targets) + " |\n",
        "|---" * (len(targets) + 1) + "|\n",
    ]
    for label, fields in probes.items():
        cells = [_outcome(source, target, {**base, **fields}) for target in targets]
        lines.append(f"| {label} | " + " | ".join(cells) + " |\n")
    return "".join(lines)


def _outcome(source: str, target: str, body: Body) -> str:
    request = conversation_dialect(source).parse_request(msgspec.json.encode(body), path_model="", stream=False)
    request = msgspec.structs.replace(request, model=_MODELS.get(target, "gpt-5.2"))
    losses = Losses()
    try:
        conversation_dialect(target).render_request(request, _PROVIDER, losses)
    except BadRequest:
        return "refused"
    return "left out" if losses.fields else "passes"


def main(arguments: list[str]) -> int:
    """Write or check the page."""
    made = page()
    if "--check" in arguments:
        if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
            print(f"{PAGE.name} is not what the dialects do: run python tools/docs_translation.py")
            return 1
        return 0
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
