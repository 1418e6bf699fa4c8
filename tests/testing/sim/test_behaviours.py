"""How a trouble is asked for."""

import pytest

from tollway.testing.http_messages import Request
from tollway.testing.sim.behaviours import NONE, Behaviour, parse, split


def request(**headers):
    return Request(
        method="POST",
        target="/",
        headers=[(name.replace("_", "-"), value) for name, value in headers.items()],
        connection=1,
        keep_alive=True,
        http_version="1.1",
    )


@pytest.mark.parametrize(
    ("name", "model", "behaviour"),
    [
        ("gpt-4o", "gpt-4o", NONE),
        ("sim", "sim", NONE),
        ("sim-429", "sim", Behaviour("429", 1)),
        ("sim-429-30", "sim", Behaviour("429", 30)),
        ("gpt-4o-sim-cut", "gpt-4o", Behaviour("cut", 3)),
        ("claude-haiku-4-5-sim-slow-5", "claude-haiku-4-5", Behaviour("slow", 5)),
        ("sim-dance", "sim-dance", NONE),
        ("sim-200", "sim-200", NONE),
        ("simple", "simple", NONE),
    ],
)
def test_a_model_name_can_carry_a_trouble(name, model, behaviour):
    assert split(name, request()) == (model, behaviour)


def test_a_header_goes_before_the_name():
    assert split("gpt-4o-sim-500", request(x_sim_behavior="429-2")) == ("gpt-4o", Behaviour("429", 2))


@pytest.mark.parametrize("text", ["", "dance", "200", "-5"])
def test_an_unknown_trouble_is_none(text):
    assert parse(text) == NONE


@pytest.mark.parametrize(("behaviour", "status"), [(Behaviour("503"), 503), (Behaviour("cut"), None), (NONE, None)])
def test_only_some_troubles_are_a_status(behaviour, status):
    assert behaviour.status == status
