import msgspec
import pytest

from tollway.cli.main import main


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    schema = msgspec.json.decode(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "llm_proxies" in schema["$defs"]["Resources"]["properties"]
