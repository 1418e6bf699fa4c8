"""The Google Gen AI SDK: generateContent, its stream and embedContent."""

from typing import Any

from google import genai
from google.genai import types
from pydantic import BaseModel
from task import CAPITAL, LONG, TASK, WEATHER, run, weather


def connect(key: str) -> Any:
    return genai.Client(api_key=key, vertexai=False, http_options=types.HttpOptions(base_url=TASK["url"]))


client = connect(TASK["key"])
MODEL = f"models/{TASK['model']}"


class City(BaseModel):
    city: str


def chat() -> Any:
    answer = client.models.generate_content(model=MODEL, contents=CAPITAL)
    return {"text": answer.text, "tokens": answer.usage_metadata.total_token_count}


def stream() -> Any:
    text, tokens = "", 0
    for chunk in client.models.generate_content_stream(model=MODEL, contents=CAPITAL):
        text += chunk.text or ""
        tokens = chunk.usage_metadata.total_token_count if chunk.usage_metadata else tokens
    return {"text": text, "tokens": tokens}


def tools() -> Any:
    # The SDK itself calls the function and asks again.
    config = types.GenerateContentConfig(tools=[weather])
    return {"text": client.models.generate_content(model=MODEL, contents=WEATHER, config=config).text}


def structured() -> Any:
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    return client.models.generate_content(model=MODEL, contents=CAPITAL, config=config).parsed.model_dump()


def embed() -> Any:
    config = types.EmbedContentConfig(output_dimensionality=256)
    answer = client.models.embed_content(model=f"models/{TASK['embedding']}", contents=["toll", "road"], config=config)
    return {"sizes": [len(one.values) for one in answer.embeddings]}


def error() -> Any:
    client.models.generate_content(model=f"models/{TASK['missing']}", contents=CAPITAL)


def unauthorized() -> Any:
    stranger = connect("nobody:nothing")
    stranger.models.generate_content(model=MODEL, contents=CAPITAL)


def cancel() -> Any:
    events = client.models.generate_content_stream(model=f"models/{TASK['stalling']}", contents=LONG)
    first = next(events)
    events.close()
    client.close()
    return {"read": bool(first)}


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
