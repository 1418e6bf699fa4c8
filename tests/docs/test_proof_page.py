"""The page about the proof names every program that the proof runs."""

import pytest
from tests.clients.command_lines import COMMAND_LINES
from tests.clients.llama_server import VERSION
from tests.clients.programs import CLIENTS
from tests.docs.blocks import DOCS

PAGE = (DOCS / "explanation" / "proof.md").read_text("utf-8")
_BESIDE = ("zod@",)
"""What a client needs beside itself."""


@pytest.mark.parametrize("package", sorted({name for one in (*CLIENTS, *COMMAND_LINES) for name in one.packages}))
def test_a_client_of_the_proof_is_on_its_page(package: str) -> None:
    assert f"`{package}`" in PAGE or package.startswith(_BESIDE)


def test_the_version_of_the_real_server_is_on_its_page() -> None:
    assert f"`llama-cpp-python` {VERSION}" in PAGE
