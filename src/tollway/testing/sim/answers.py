"""What the simulator says: text, tool calls and reasoning, made from the question alone.

The providers' modules read their own wire format into an `Ask` and write the `Reply` that
`answer` makes from it in their own words. The same ask always gets the same reply.
"""

from __future__ import annotations

import re
import zlib
from typing import Final, Literal

import msgspec

from tollway.testing.sim.json_samples import Hints, Json, sample

TOKENS_PER_MESSAGE: Final = 4
CHARS_PER_TOKEN: Final = 4
MAX_PARALLEL_CALLS: Final = 4
MAX_WORDS: Final = 4000
LONGEST_SUM: Final = 200

CAPITALS: Final = {
    "france": "Paris",
    "germany": "Berlin",
    "italy": "Rome",
    "japan": "Tokyo",
    "spain": "Madrid",
    "greece": "Athens",
    "india": "New Delhi",
    "the united kingdom": "London",
    "the united states": "Washington, D.C.",
}
CLOSINGS: Final = (
    "It rests on plain facts, and anyone can check them.",
    "The figures are round, the direction is clear.",
    "Two points matter most: what changed, and who is concerned.",
    "As they say in Orléans, déjà vu: naïve plans, façades and 東京 at night.",
    "Signs travel well: 🚀 🗼 👩‍🚀, and so do accents like é, ñ and ø.",
    "Ελληνικά, кириллица and עברית pass through unharmed.",
)
FILLER: Final = (
    "the road runs on past the gate and every traveller is counted once",
    "before the next mile begins with a new stone and an old name",
)

PIECE: Final = re.compile(r"\s?\S{1,4}|\s+")
PLACE: Final = re.compile(r"(?<=[a-z,] )[A-Z][a-zé]+(?: [A-Z][a-zé]+)*")
VERBATIM: Final = re.compile(
    r"(?:reply|answer|respond)(?: only)? with exactly:?\s*(.+)|repeat after me:?\s*(.+)",
    re.IGNORECASE | re.DOTALL,
)
CAPITAL_OF: Final = re.compile(r"capital of ([a-z ]+)", re.IGNORECASE)
SUM: Final = re.compile(r"(-?\d{1,9})\s*([+*-])\s*(\d{1,9})")
WORDS: Final = re.compile(r"(\d{1,5}) words")
INSTRUCTIONS: Final = re.compile(r"(?:your|the) (?:system prompt|instructions)", re.IGNORECASE)

ToolUse = Literal["auto", "none", "required"]
Finish = Literal["stop", "stop_sequence", "length", "tool_calls", "refusal"]


class Tool(msgspec.Struct, frozen=True):
    """A function the model may call."""

    name: str
    schema: Json
    description: str = ""


class Ask(msgspec.Struct, kw_only=True):
    """One question, whatever provider's format it came in."""

    prompt: str
    """The text of the last user turn."""
    system: str = ""
    input_chars: int = 0
    messages: int = 1
    images: int = 0
    image_tokens: int = 255
    tools: list[Tool] = []
    tool_use: ToolUse = "auto"
    tool_named: str | None = None
    parallel: bool = True
    preface: bool = False
    """Say something before a tool call that nobody forced."""
    tool_results: list[str] = []
    """Texts of the tool results that end the conversation; none when it ends otherwise."""
    json_object: bool = False
    schema: Json = None
    reasoning_tokens: int = 0
    """The most that may be spent on reasoning; zero for none."""
    max_tokens: int | None = None
    stop: list[str] = []
    choice: int = 0
    """Which of several choices this is, counted from zero."""
    refuse: bool = False


class Call(msgspec.Struct, frozen=True):
    """A tool call that the reply makes; `arguments` is compact JSON."""

    name: str
    arguments: str


class Reply(msgspec.Struct, kw_only=True):
    """What the model says. Each piece of text or reasoning is one token."""

    pieces: list[str]
    reasoning: list[str]
    calls: list[Call]
    finish: Finish
    stop_sequence: str | None
    input_tokens: int
    call_tokens: int

    @property
    def text(self) -> str:
        """The whole visible text."""
        return "".join(self.pieces)

    @property
    def reasoning_text(self) -> str:
        """The whole reasoning."""
        return "".join(self.reasoning)

    @property
    def reasoning_tokens(self) -> int:
        """Tokens spent on reasoning."""
        return len(self.reasoning)

    @property
    def output_tokens(self) -> int:
        """Every token produced, reasoning included."""
        return len(self.pieces) + len(self.reasoning) + self.call_tokens


def answer(ask: Ask) -> Reply:
    """The reply to one question."""
    reasoning = _reasoning(ask)
    calls = [] if ask.refuse else _calls(ask)
    call_tokens = sum(8 + tokens(call.arguments) for call in calls)
    finish: Finish = "tool_calls" if calls else "stop"
    stopped: str | None = None
    text = _preface(ask) if calls else _text(ask)
    if not calls:
        text, stopped = _stopped(text, ask.stop)
        finish = "refusal" if ask.refuse else "stop_sequence" if stopped else "stop"
    pieces = PIECE.findall(text)
    if ask.max_tokens is not None:
        room = ask.max_tokens
        if len(reasoning) + len(pieces) + call_tokens > room:
            finish, stopped, calls, call_tokens = "length", None, [], 0
            reasoning = reasoning[:room]
            pieces = pieces[: room - len(reasoning)]
    return Reply(
        pieces=pieces,
        reasoning=reasoning,
        calls=calls,
        finish=finish,
        stop_sequence=stopped,
        input_tokens=input_tokens(ask),
        call_tokens=call_tokens,
    )


def tokens(text: str) -> int:
    """An estimate of the tokens in a text: about four characters each."""
    return max(1, -(-len(text) // CHARS_PER_TOKEN)) if text else 0


def input_tokens(ask: Ask) -> int:
    """An estimate of the tokens of a whole question."""
    about_text = -(-ask.input_chars // CHARS_PER_TOKEN)
    return about_text + TOKENS_PER_MESSAGE * ask.messages + 3 + ask.images * ask.image_tokens


def grouped(pieces: list[str], size: int) -> list[str]:
    """The pieces joined `size` at a time, for providers that send several tokens an event."""
    return ["".join(pieces[i : i + size]) for i in range(0, len(pieces), size)]


def compact(value: Json) -> str:
    """A JSON value as text without blanks."""
    return msgspec.json.encode(value).decode()


def _reasoning(ask: Ask) -> list[str]:
    if ask.reasoning_tokens <= 0:
        return []
    thought = (
        f"The question is: {ask.prompt[:160]!r}. It is answered from the text alone, "
        "so a short and direct reply will do. No doubt remains, déjà vérifié."
    )
    return PIECE.findall(thought)[: ask.reasoning_tokens]


def _preface(ask: Ask) -> str:
    return "Let me look that up." if ask.preface and ask.tool_use == "auto" else ""


def _stopped(text: str, stops: list[str]) -> tuple[str, str | None]:
    found = [(text.find(stop), stop) for stop in stops if stop and stop in text]
    if not found:
        return text, None
    at, stop = min(found)
    return text[:at], stop


def _calls(ask: Ask) -> list[Call]:
    tools = _tools_to_call(ask)
    if not tools:
        return []
    places = list(dict.fromkeys(PLACE.findall(ask.prompt)))
    if len(tools) == 1 and ask.parallel and ask.tool_named is None and len(places) > 1:
        return [_call(tools[0], ask, place) for place in places[:MAX_PARALLEL_CALLS]]
    first_place = places[0] if places and _capital(ask.prompt) is None else ""
    limit = MAX_PARALLEL_CALLS if ask.parallel else 1
    return [_call(tool, ask, first_place) for tool in tools[:limit]]


def _call(tool: Tool, ask: Ask, place: str) -> Call:
    hints = _hints(ask.prompt)
    value = sample(tool.schema, msgspec.structs.replace(hints, place=place) if place else hints)
    return Call(tool.name, compact(value if isinstance(value, dict) else {}))


def _tools_to_call(ask: Ask) -> list[Tool]:
    if ask.tool_use == "none" or not ask.tools:
        return []
    if ask.tool_named is not None:
        return [tool for tool in ask.tools if tool.name == ask.tool_named][:1]
    if ask.tool_results and ask.tool_use == "auto":
        return []
    fitting = [tool for tool in ask.tools if _calls_for(ask.prompt.lower(), tool)]
    if ask.tool_use == "required":
        return fitting or ask.tools
    return fitting


def _calls_for(prompt: str, tool: Tool) -> bool:
    if "call the tool" in prompt or "use the tool" in prompt or "use your tool" in prompt:
        return True
    words = re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tool.name).lower())
    return any(len(word) > 3 and word in prompt for word in words)


def _text(ask: Ask) -> str:
    if ask.refuse:
        return "I can't help with that request."
    if ask.schema is not None:
        return compact(sample(ask.schema, _hints(ask.prompt)))
    said = _said(ask)
    if ask.json_object:
        return compact({"answer": said})
    if ask.choice:
        said = f"Put differently ({ask.choice + 1}): {said}"
    return _as_told(said, ask.system.lower())


def _hints(prompt: str) -> Hints:
    capital = _capital(prompt)
    if capital is not None:
        return Hints(prompt=prompt, country=capital[0], place=capital[1])
    found = PLACE.search(prompt)
    return Hints(prompt=prompt, place=found.group() if found else "")


def _capital(prompt: str) -> tuple[str, str] | None:
    """The country whose capital is asked for, and the city."""
    found = CAPITAL_OF.search(prompt)
    if found is None:
        return None
    country = found.group(1).strip()
    city = CAPITALS.get(country.lower())
    return (country, city) if city is not None else None


def _said(ask: Ask) -> str:
    prompt = ask.prompt.strip()
    if ask.tool_results:
        quoted = "; ".join(f"“{result.strip()[:400]}”" for result in ask.tool_results)
        return f"According to the tool: {quoted}. That answers the question."
    # Under load most prompts are long and plain: a word is looked for before its pattern.
    lower = prompt.lower()
    verbatim = VERBATIM.search(prompt) if "exactly" in lower or "repeat after" in lower else None
    if verbatim:
        return (verbatim.group(1) or verbatim.group(2)).strip()
    if ask.system and ("instructions" in lower or "system prompt" in lower) and INSTRUCTIONS.search(prompt):
        return ask.system
    capital = _capital(prompt) if "capital" in lower else None
    if capital is not None:
        return f"The capital of {capital[0]} is {capital[1]}."
    if ask.images:
        count = "one image" if ask.images == 1 else f"{ask.images} images"
        return f"I see {count}: simple shapes on a light ground. You asked: “{prompt[:200]}”."
    counted = WORDS.search(prompt) if " words" in lower else None
    if counted:
        wanted = min(int(counted.group(1)), MAX_WORDS)
        words = " ".join(FILLER).split()
        return " ".join(words[i % len(words)] for i in range(wanted)) + "."
    return _reckoned(prompt) or _about(prompt)


def _reckoned(prompt: str) -> str | None:
    found = SUM.search(prompt) if len(prompt) <= LONGEST_SUM else None
    if found is None:
        return None
    left, right = int(found.group(1)), int(found.group(3))
    result = {"+": left + right, "-": left - right, "*": left * right}[found.group(2)]
    return f"{found.group().strip()} = {result}."


def _about(prompt: str) -> str:
    if not prompt:
        return "There was no question, so here is a greeting: hello, and welcome."
    excerpt = " ".join(prompt[:400].split())[:200]
    closing = CLOSINGS[zlib.crc32(prompt.encode("utf-8", "replace")) % len(CLOSINGS)]
    return f"Here is a short answer to “{excerpt}”. {closing}"


def _as_told(said: str, system: str) -> str:
    """Follow the few plain instructions that a system prompt of a test gives."""
    if "uppercase" in system or "upper case" in system or "capital letters" in system:
        return said.upper()
    if "one word" in system or "single word" in system:
        return said.rstrip(".").split()[-1] if said.split() else said
    return f"Arr! {said}" if "pirate" in system else said
