"""LangChain's chat models for three vendors, all used in the same way."""

from typing import Any

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel
from task import CAPITAL, LONG, TASK, WEATHER, run, weather


def connect(model: str, key: str = TASK["key"]) -> Any:
    if TASK["speaks"] == "anthropic":
        return ChatAnthropic(model=model, base_url=TASK["url"], api_key=key, max_retries=0)
    if TASK["speaks"] == "google":
        return ChatGoogleGenerativeAI(
            model=f"models/{model}", base_url=TASK["url"], api_key=key, max_retries=1, vertexai=False
        )
    return ChatOpenAI(
        model=model,
        base_url=f"{TASK['url']}/v1",
        api_key=key,
        max_retries=0,
        stream_usage=True,
        use_responses_api=TASK["speaks"] == "responses",
    )


llm = connect(TASK["model"])


class City(BaseModel):
    """A city."""

    city: str


def chat() -> Any:
    answer = llm.invoke(CAPITAL)
    return {"text": answer.text, "tokens": answer.usage_metadata["total_tokens"]}


def stream() -> Any:
    whole: Any = None
    for chunk in llm.stream(CAPITAL):
        whole = chunk if whole is None else whole + chunk
    return {"text": whole.text, "tokens": whole.usage_metadata["total_tokens"]}


def tools() -> Any:
    offered = tool(weather)
    able = llm.bind_tools([offered])
    asked: list[Any] = [HumanMessage(WEATHER)]
    first = able.invoke(asked)
    told = [ToolMessage(offered.invoke(call["args"]), tool_call_id=call["id"]) for call in first.tool_calls]
    return {"text": able.invoke([*asked, first, *told]).text}


def structured() -> Any:
    return llm.with_structured_output(City).invoke(CAPITAL).model_dump()


def embed() -> Any:
    made = OpenAIEmbeddings(
        model=TASK["embedding"],
        base_url=f"{TASK['url']}/v1",
        api_key=TASK["key"],
        dimensions=256,
        check_embedding_ctx_length=False,
    )
    return {"sizes": [len(one) for one in made.embed_documents(["toll", "road"])]}


def error() -> Any:
    connect(TASK["missing"]).invoke(CAPITAL)


def unauthorized() -> Any:
    connect(TASK["model"], "nobody:nothing").invoke(CAPITAL)


def cancel() -> Any:
    events = connect(TASK["stalling"]).stream(LONG)
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
