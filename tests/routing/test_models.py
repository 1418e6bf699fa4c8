import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.routing.models import ModelRouter, RouteChoice
from tollway.snapshot.document import Route

KNOWN = {
    "openai": frozenset({"gpt-5", "gpt-5-mini", "shared"}),
    "gemini": frozenset({"gemini-2.5-flash", "shared"}),
    "openrouter": frozenset({"openai/gpt-5", "meta-llama/llama-4"}),
}


def route(name: str, provider: str, **settings) -> Route:
    return Route(name=name, provider=provider, base_url="https://example.test", **settings)


TWO = ModelRouter([route("main", "openai"), route("google", "gemini")], KNOWN)


@pytest.mark.parametrize(
    ("requested", "index", "model"),
    [
        pytest.param("openai/gpt-5", 0, "gpt-5", id="provider prefix"),
        pytest.param("google/gemini-9", 1, "gemini-9", id="route name as prefix"),
        pytest.param("openai/never-heard-of", 0, "never-heard-of", id="prefix with an unknown model"),
        pytest.param("OpenAI/gpt-5", 0, "gpt-5", id="prefix in another case"),
        pytest.param("gpt-5", 0, "gpt-5", id="bare name known to one provider"),
        pytest.param("gemini-2.5-flash", 1, "gemini-2.5-flash", id="bare name known to the other"),
        pytest.param("openai/a/b/c", 0, "a/b/c", id="slashes behind the prefix"),
    ],
)
def test_a_name_finds_its_route(requested: str, index: int, model: str):
    assert TWO.choose(requested) == RouteChoice(index, model)


@pytest.mark.parametrize(
    "requested",
    ["shared", "unheard", "", "/", "openai", "openai/", "/gpt-5", "anthropic/claude", "mistral/openai/gpt-5"],
    ids=lambda name: name or "empty",
)
def test_a_name_that_nobody_alone_knows_is_not_matched(requested: str):
    assert not TWO.choose(requested).matched


def test_an_unknown_model_is_refused_in_the_words_of_the_product_we_match():
    error = TWO.unknown("x")
    assert error.status == 400
    assert error.should_retry is False
    assert error.openai_body == {
        "error": "Failed to parse model from request: Model 'x' is not in the known unique model map and multiple "
        "providers are configured. Use 'provider/model' format."
    }
    assert "names no model" in TWO.unknown("").message


def test_the_target_model_takes_the_place_of_the_one_requested():
    router = ModelRouter([route("a", "openai", target_model="gpt-5-mini"), route("b", "gemini")], KNOWN)
    assert router.choose("openai/gpt-5") == RouteChoice(0, "gpt-5-mini")
    assert router.choose("gpt-5-mini") == RouteChoice(0, "gpt-5-mini")


@pytest.mark.parametrize("requested", ["fast", "openai/fast", "a/fast", "team/best"])
def test_an_alias_is_asked_for_by_its_model(requested: str):
    aliases = {"fast": "gpt-5-mini", "team/best": "gpt-5"}
    router = ModelRouter([route("b", "gemini"), route("a", "openai", aliases=aliases)], KNOWN)
    assert router.choose(requested) == RouteChoice(1, aliases[requested.removeprefix("openai/").removeprefix("a/")])


def test_an_alias_goes_before_a_prefix():
    router = ModelRouter([route("a", "openai", aliases={"gemini/x": "gpt-5"}), route("b", "gemini")], KNOWN)
    assert router.choose("gemini/x") == RouteChoice(0, "gpt-5")


def test_a_prefix_goes_before_an_aggregators_name():
    router = ModelRouter([route("o", "openrouter"), route("a", "openai")], KNOWN)
    assert router.choose("openai/gpt-5") == RouteChoice(1, "gpt-5")
    assert router.choose("openrouter/openai/gpt-5") == RouteChoice(0, "openai/gpt-5")
    assert router.choose("meta-llama/llama-4") == RouteChoice(0, "meta-llama/llama-4")


def test_what_the_settings_say_goes_before_what_is_known():
    router = ModelRouter([route("a", "openai"), route("z", "azureopenai", models=("gpt-5",))], KNOWN)
    assert router.choose("gpt-5") == RouteChoice(1, "gpt-5")


def test_two_providers_configured_for_one_name_leave_it_ambiguous():
    router = ModelRouter([route("a", "openai", models=("m",)), route("z", "azureopenai", models=("m",))], KNOWN)
    assert not router.choose("m").matched
    assert router.choose("azureopenai/m") == RouteChoice(1, "m")


def test_of_several_routes_to_a_provider_the_one_that_lists_the_model_comes_first():
    router = ModelRouter([route("eu", "openai"), route("us", "openai", models=("gpt-5",)), route("g", "gemini")], KNOWN)
    assert [choice.route_index for choice in router.candidates("openai/gpt-5")] == [1, 0]
    assert [choice.route_index for choice in router.candidates("openai/other")] == [0, 1]
    assert [choice.route_index for choice in router.candidates("us/other")] == [1]


@pytest.mark.parametrize(
    ("provider", "requested", "matched"),
    [
        pytest.param("openai", "gpt-99", True, id="a bare name"),
        pytest.param("openai", "anthropic/claude", False, id="another vendor's name"),
        pytest.param("openrouter", "anthropic/claude", True, id="any vendor's name, behind an aggregator"),
        pytest.param("vllm", "meta-llama/llama-4", True, id="a server of one's own"),
        pytest.param("openai", "", False, id="no name and no target"),
    ],
)
def test_a_lone_provider_takes_names_it_may_have(provider: str, requested: str, matched: bool):
    choice = ModelRouter([route("only", provider)], KNOWN).choose(requested)
    assert choice.matched is matched
    if matched:
        assert choice == RouteChoice(0, requested)


def test_a_lone_provider_with_a_target_needs_no_name():
    assert ModelRouter([route("only", "openai", target_model="gpt-5")], KNOWN).choose("") == RouteChoice(0, "gpt-5")


@pytest.mark.parametrize(
    ("requested", "index", "model"),
    [
        pytest.param("openai/gpt-5", 1, "gpt-5", id="the prefix is not part of the model"),
        pytest.param("unheard/x", 1, "unheard/x", id="an unknown prefix is"),
        pytest.param("openai/gpt-5", 2, "fixed", id="the route's own target"),
        pytest.param("quick", 1, "flash", id="an alias"),
        pytest.param("openai/quick", 1, "flash", id="an alias behind a prefix"),
    ],
)
def test_any_route_can_be_asked_for_a_call_meant_for_another(requested: str, index: int, model: str):
    router = ModelRouter(
        [route("a", "openai"), route("b", "gemini", aliases={"quick": "flash"}), route("c", "x", target_model="fixed")],
        KNOWN,
    )
    assert router.model_for(index, requested) == model


def test_the_list_of_models_prefers_what_the_settings_name():
    router = ModelRouter(
        [route("a", "openai", models=("gpt-5",), aliases={"fast": "gpt-5-mini"}), route("b", "gemini")], KNOWN
    )
    assert router.listed() == ("openai/gpt-5", "fast", "gemini/gemini-2.5-flash", "gemini/shared")


names = st.text("ab/", max_size=5)
routes = st.lists(
    st.builds(
        route,
        st.sampled_from(["r1", "r2", "a"]),
        st.sampled_from(["a", "b", "ab"]),
        target_model=st.none() | st.sampled_from(["a", "b/a"]),
        models=st.lists(names, max_size=2).map(tuple),
        aliases=st.dictionaries(names, st.sampled_from(["x", "y"]), max_size=2),
    ),
    min_size=1,
    max_size=4,
)
known = st.dictionaries(st.sampled_from(["a", "b", "ab"]), st.frozensets(names, max_size=3))


@given(routes=routes, known=known, requested=names)
def test_every_choice_is_a_route_with_a_model_and_asking_again_gives_the_same(
    routes: list[Route], known: dict[str, frozenset[str]], requested: str
):
    router = ModelRouter(routes, known)
    candidates = router.candidates(requested)
    assert candidates
    assert router.candidates(requested) == candidates
    assert router.choose(requested) == candidates[0]
    matched = [choice for choice in candidates if choice.matched]
    assert matched == list(candidates) or candidates == (RouteChoice(-1, "", matched=False),)
    assert len({choice.route_index for choice in candidates}) == len(candidates)
    for choice in matched:
        chosen = routes[choice.route_index]
        prefix, slash, rest = requested.partition("/")
        own_names = {*chosen.models, *chosen.aliases, *known.get(chosen.provider, ()), chosen.target_model}
        by_prefix = bool(slash and rest) and prefix.lower() in {chosen.name, chosen.provider}
        assert by_prefix or requested in own_names or len({each.provider for each in routes}) == 1


@given(requested=st.text(max_size=50))
def test_names_from_callers_do_not_pile_up(requested: str):
    router = ModelRouter([route("only", "openai")], KNOWN)
    for n in range(3):
        router.choose(f"{requested}{n}")
    assert len(router._remembered) <= 4096


def test_a_name_of_any_length_is_routed_but_a_long_one_is_not_remembered():
    router = ModelRouter([route("only", "openai")], KNOWN)
    assert router.choose("x" * 100_000).target_model == "x" * 100_000
    assert not router._remembered
