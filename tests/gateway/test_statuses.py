"""Status lines, prepared once."""

import re
from http import HTTPStatus

import pytest

from tollway.gateway.statuses import status_line


@pytest.mark.parametrize("status", [status.value for status in HTTPStatus])
def test_a_known_status_has_its_phrase(status: int):
    assert status_line(status).decode() == f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"


@pytest.mark.parametrize("status", [299, 499, 529, 599])
def test_any_other_status_is_a_well_formed_line(status: int):
    assert re.fullmatch(rf"HTTP/1\.1 {status} [A-Za-z]*\r\n".encode(), status_line(status))
