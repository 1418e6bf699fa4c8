from tollway.providers.bedrockanthropic import PROVIDER
from tollway.signing.sigv4 import SigV4


def test_any_model_name_is_asked_in_anthropics_own_api() -> None:
    for model in ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "arn:aws:bedrock:eu-west-1:1:application-x/abc"):
        served = PROVIDER.serving(model, caller="openai-chat")
        assert set(served.conversation) == {"anthropic-messages"}
        assert served.body == {"anthropic_version": "bedrock-2023-05-31"}


def test_callers_of_bedrocks_own_apis_get_what_they_asked_for() -> None:
    assert "bedrock-converse" in PROVIDER.serving("any", caller="bedrock-converse").conversation
    assert PROVIDER.signer == SigV4("bedrock")
