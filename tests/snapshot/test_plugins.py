import importlib
import sys
from importlib.metadata import EntryPoint

import pytest

from tollway.interfaces.policy import Policy
from tollway.interfaces.provider import Provider
from tollway.snapshot import plugins


def test_every_provider_there_is_can_be_loaded() -> None:
    assert {"openai", "azureopenai", "ollama", "vllm"} <= set(plugins.provider_names())
    for name in plugins.provider_names():
        assert plugins.provider(name).name == name


def test_every_policy_there_is_can_be_loaded() -> None:
    assert {"client-id-enforcement", "llm-token-rate-limit"} <= set(plugins.policy_ids())
    for policy_id in plugins.policy_ids():
        assert plugins.policy_type(policy_id).id == policy_id


@pytest.mark.parametrize(
    "name", ["nobody", "", "..", "os", "../openai", "OpenAI", "openai.sub", "_private", "__init__", "openai_compatible"]
)
def test_no_other_name_loads_anything(name: str) -> None:
    before = set(sys.modules)
    with pytest.raises(plugins.UnknownPlugin):
        plugins.provider(name)
    assert {module for module in sys.modules if module.startswith("tollway")} <= before | {"tollway.providers"}


ELSEWHERE = Provider(
    name="elsewhere",
    title="Elsewhere",
    docs="",
    base_url=None,
    conversation={},
    signer=plugins.provider("openai").signer,
)
NOT_A_PROVIDER = "a text"


class ElsewherePolicy(Policy):  # type: ignore[type-arg]
    id = "elsewhere"


@pytest.fixture
def entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    module = importlib.import_module(__name__)
    monkeypatch.setitem(sys.modules, "third_party", module)
    entries = {
        "tollway.providers": (
            EntryPoint("elsewhere", "third_party:ELSEWHERE", "tollway.providers"),
            EntryPoint("openai", "third_party:ELSEWHERE", "tollway.providers"),
            EntryPoint("broken", "third_party:NOT_A_PROVIDER", "tollway.providers"),
            EntryPoint("renamed", "third_party:ELSEWHERE", "tollway.providers"),
        ),
        "tollway.policies": (
            EntryPoint("elsewhere", "third_party:ElsewherePolicy", "tollway.policies"),
            EntryPoint("broken", "third_party:NOT_A_PROVIDER", "tollway.policies"),
        ),
    }
    for cached in (plugins.provider, plugins.policy_type, plugins._names, plugins._entries):
        cached.cache_clear()
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries[group])
    yield
    for cached in (plugins.provider, plugins.policy_type, plugins._names, plugins._entries):
        cached.cache_clear()


@pytest.mark.usefixtures("entry_points")
def test_plugins_of_other_distributions_are_found_by_entry_point() -> None:
    assert plugins.provider("elsewhere") is ELSEWHERE
    assert plugins.policy_type("elsewhere") is ElsewherePolicy
    assert "elsewhere" in plugins.provider_names()
    assert "elsewhere" in plugins.policy_ids()


@pytest.mark.usefixtures("entry_points")
def test_a_file_of_ours_goes_before_an_entry_point_of_its_name() -> None:
    assert plugins.provider("openai").name == "openai"


@pytest.mark.usefixtures("entry_points")
@pytest.mark.parametrize("name", ["broken", "renamed"])
def test_a_plugin_that_is_none_says_what_it_must_hold(name: str) -> None:
    with pytest.raises(plugins.BrokenPlugin, match=f"'{name}' must hold a PROVIDER"):
        plugins.provider(name)


@pytest.mark.usefixtures("entry_points")
def test_a_policy_that_is_none_says_what_it_must_hold() -> None:
    with pytest.raises(plugins.BrokenPlugin, match="'broken' must hold a POLICY"):
        plugins.policy_type("broken")
