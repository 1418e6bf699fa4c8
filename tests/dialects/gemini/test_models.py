from tollway.dialects.gemini.models import MODELS


def test_a_list_has_the_apis_shape() -> None:
    assert MODELS.many([MODELS.one("gemini-2.5-flash", "gemini")]) == {
        "models": [
            {
                "name": "models/gemini-2.5-flash",
                "displayName": "gemini-2.5-flash",
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
            }
        ]
    }
