"""How Bedrock lists foundation models.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html.
"""

from typing import Final

from tollway.interfaces.dialect import ModelDocument, ModelList


def _one(name: str, owner: str) -> ModelDocument:
    return {
        "modelArn": f"arn:aws:bedrock:::foundation-model/{name}",
        "modelId": name,
        "modelName": name,
        "providerName": owner,
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def _many(models: list[ModelDocument]) -> ModelDocument:
    return {"modelSummaries": models}


def _alone(model: ModelDocument) -> ModelDocument:
    return {"modelDetails": model}


MODELS: Final = ModelList(
    versions=("",),
    list_path="/foundation-models",
    model_path="/foundation-models/{model}",
    one=_one,
    many=_many,
    alone=_alone,
)
