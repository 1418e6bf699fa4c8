"""instructor: structured output by tools and by JSON schema over the OpenAI SDK."""

from typing import Any

import instructor
import openai
from pydantic import BaseModel
from task import CAPITAL, TASK, run

ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]


class City(BaseModel):
    """A city."""

    city: str


def connect(mode: Any, key: str = TASK["key"]) -> Any:
    return instructor.from_openai(openai.OpenAI(base_url=f"{TASK['url']}/v1", api_key=key, max_retries=0), mode=mode)


def ask(mode: Any, model: str = TASK["model"], key: str = TASK["key"]) -> Any:
    client = connect(mode, key)
    return client.chat.completions.create(model=model, messages=ASKED, response_model=City, max_retries=0).model_dump()


run(
    structured=lambda: ask(instructor.Mode.TOOLS),
    schema=lambda: ask(instructor.Mode.JSON_SCHEMA),
    error=lambda: ask(instructor.Mode.TOOLS, TASK["missing"]),
    unauthorized=lambda: ask(instructor.Mode.TOOLS, key="nobody:nothing"),
)
