from openai.pagination import SyncPage
from openai.types import Model

from tollway.dialects.openai_chat.models import MODELS


def test_a_list_is_what_the_sdk_reads() -> None:
    listed = SyncPage[Model].model_validate(MODELS.many([MODELS.one("openai/gpt-5", "openai")]))
    assert [(model.id, model.owned_by, model.object) for model in listed.data] == [("openai/gpt-5", "openai", "model")]
