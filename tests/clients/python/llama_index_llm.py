"""LlamaIndex with its OpenAI model and embedding."""

from typing import Any

from llama_index.core.llms import ChatMessage, LLMMetadata
from llama_index.core.tools import FunctionTool
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAI
from pydantic import BaseModel
from task import CAPITAL, LONG, TASK, WEATHER, run, weather


class Gateway(OpenAI):
    """Its own class knows the context sizes of OpenAI's model names alone; a gateway's names have a provider."""

    @property
    def metadata(self) -> Any:
        """What LlamaIndex asks about a model."""
        return super().metadata if "/" not in self.model else _metadata(self.model)


def _metadata(model: str) -> Any:
    return LLMMetadata(model_name=model, is_chat_model=True, is_function_calling_model=True)


class City(BaseModel):
    """A city."""

    city: str


def connect(model: str, key: str = TASK["key"]) -> Any:
    return Gateway(model=model, api_base=f"{TASK['url']}/v1", api_key=key, max_retries=0)


llm = connect(TASK["model"])
ASKED = [ChatMessage(role="user", content=CAPITAL)]


def chat() -> Any:
    answer = llm.chat(ASKED)
    return {"text": answer.message.content, "tokens": answer.raw.usage.total_tokens}


def stream() -> Any:
    return {"text": "".join(chunk.delta or "" for chunk in llm.stream_chat(ASKED))}


def tools() -> Any:
    offered = [FunctionTool.from_defaults(fn=weather)]
    asked = [ChatMessage(role="user", content=WEATHER)]
    first = llm.chat_with_tools(offered, chat_history=asked)
    calls = llm.get_tool_calls_from_response(first)
    told = [
        ChatMessage(role="tool", content=weather(**call.tool_kwargs), additional_kwargs={"tool_call_id": call.tool_id})
        for call in calls
    ]
    return {"text": llm.chat([*asked, first.message, *told]).message.content}


def structured() -> Any:
    return llm.as_structured_llm(City).complete(CAPITAL).raw.model_dump()


def embed() -> Any:
    made = OpenAIEmbedding(
        model_name=TASK["embedding"], api_base=f"{TASK['url']}/v1", api_key=TASK["key"], dimensions=256
    )
    return {"sizes": [len(one) for one in made.get_text_embedding_batch(["toll", "road"])]}


def error() -> Any:
    connect(TASK["missing"]).chat(ASKED)


def unauthorized() -> Any:
    connect(TASK["model"], "nobody:nothing").chat(ASKED)


def cancel() -> Any:
    events = connect(TASK["stalling"]).stream_chat([ChatMessage(role="user", content=LONG)])
    first = next(events)
    events.close()
    return {"read": first is not None}


run(
    chat=chat,
    stream=stream,
    tools=tools,
    structured=structured,
    embed=embed,
    error=error,
    unauthorized=unauthorized,
    cancel=cancel,
)
