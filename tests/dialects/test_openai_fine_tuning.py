from tollway.dialects.openai_fine_tuning import DIALECT
from tollway.providers.openai import PROVIDER


def test_openai_has_every_path_of_it() -> None:
    for endpoint in DIALECT.endpoints:
        assert endpoint.operation.startswith("fine-tuning")
        assert PROVIDER.operations[endpoint.provides] + endpoint.below == endpoint.path
