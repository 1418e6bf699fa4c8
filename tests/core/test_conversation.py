from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import Conversation, Losses, Message, Part, Text


@given(st.lists(st.text()))
def test_what_is_lost_is_noted_once_each_in_order(fields: list[str]) -> None:
    losses = Losses()
    for field in fields:
        losses.drop(field)
    assert losses.fields == list(dict.fromkeys(fields))


def test_two_calls_never_share_what_they_lost() -> None:
    first = Losses()
    first.drop("seed")
    assert Losses().fields == []


def test_every_kind_of_part_is_told_apart_by_a_tag_of_its_own() -> None:
    tags = [kind.__struct_config__.tag for kind in get_args(Part)]
    assert all(tags)
    assert len(tags) == len(set(tags))


def test_a_conversation_is_the_same_after_a_trip_through_json() -> None:
    conversation = Conversation(
        dialect="openai-chat", model="m", messages=(Message("user", (Text("hi", cache={"type": "ephemeral"}),)),)
    )
    assert msgspec.json.decode(msgspec.json.encode(conversation), type=Conversation) == conversation
