"""boto3's Bedrock runtime: Converse and its binary stream, signed as AWS signs."""

from typing import Any

import boto3
from botocore.config import Config
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run


def connect(key: str) -> Any:
    identity, _, secret = key.partition(":")
    session = boto3.Session(aws_access_key_id=identity, aws_secret_access_key=secret, region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1})
    return session.client("bedrock-runtime", endpoint_url=TASK["url"], config=config)


client = connect(TASK["key"])
MODEL = TASK["model"]
TOOLS = {"tools": [{"toolSpec": {"name": "weather", "description": "Weather.", "inputSchema": {"json": CITY}}}]}


def said(text: str) -> Any:
    return {"role": "user", "content": [{"text": text}]}


def text_of(answer: Any) -> str:
    return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])


def chat() -> Any:
    answer = client.converse(modelId=MODEL, messages=[said(CAPITAL)])
    return {"text": text_of(answer), "tokens": answer["usage"]["totalTokens"]}


def stream() -> Any:
    text, tokens = "", 0
    for event in client.converse_stream(modelId=MODEL, messages=[said(CAPITAL)])["stream"]:
        text += event.get("contentBlockDelta", {}).get("delta", {}).get("text", "")
        tokens = event.get("metadata", {}).get("usage", {}).get("totalTokens", tokens)
    return {"text": text, "tokens": tokens}


def tools() -> Any:
    asked = [said(WEATHER)]
    first = client.converse(modelId=MODEL, messages=asked, toolConfig=TOOLS)["output"]["message"]
    told = [
        {"toolResult": {"toolUseId": block["toolUse"]["toolUseId"], "content": [{"text": TOLD}]}}
        for block in first["content"]
        if "toolUse" in block
    ]
    messages = [*asked, first, {"role": "user", "content": told}]
    return {"text": text_of(client.converse(modelId=MODEL, messages=messages, toolConfig=TOOLS))}


def error() -> Any:
    client.converse(modelId=TASK["missing"], messages=[said(CAPITAL)])


def unauthorized() -> Any:
    connect("nobody:nothing").converse(modelId=MODEL, messages=[said(CAPITAL)])


def cancel() -> Any:
    events = client.converse_stream(modelId=TASK["stalling"], messages=[said(LONG)])["stream"]
    first = next(iter(events))
    events.close()
    return {"read": bool(first)}


run(chat=chat, stream=stream, tools=tools, error=error, unauthorized=unauthorized, cancel=cancel)
