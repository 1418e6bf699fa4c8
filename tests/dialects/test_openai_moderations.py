import msgspec

from tollway.core.usage import NO_USAGE
from tollway.dialects.openai_moderations import DIALECT

(MODERATIONS,) = DIALECT.endpoints


def test_the_served_model_is_found_and_nothing_is_counted() -> None:
    body = msgspec.json.encode({"id": "modr-1", "model": "omni-moderation-2024", "results": [{"flagged": False}]})
    facts = DIALECT.passed_facts(MODERATIONS, {}, body)
    assert (facts.id, facts.model, facts.usage) == ("modr-1", "omni-moderation-2024", NO_USAGE)
