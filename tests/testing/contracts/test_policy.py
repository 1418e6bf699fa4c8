"""A suite that cannot fail proves nothing: each of these cases is wrong in one way, and must be caught."""

from pathlib import Path

import msgspec
import pytest

from tollway.policies.client_id_enforcement import ClientIdEnforcement
from tollway.testing.contracts.policy import read_case, run_case

WRONG = {
    "passes where it must refuse": "request: {}\nexpect: {}",
    "refuses where it must pass": "clients: [{client_id: a, secret: b}]\n"
    "request: {headers: {client_id: a, client_secret: b}}\nexpect: {status: 401}",
    "another status": "request: {}\nexpect: {status: 403}",
    "another code": "request: {}\nexpect: {status: 401, code: other}",
    "another message": "request: {}\nexpect: {status: 401, message: other}",
    "another body": "request: {}\nexpect: {status: 401, openai_body: {}}",
    "other headers": "request: {}\nexpect: {status: 401, headers: {}}",
    "another word on repeating": "request: {}\nexpect: {status: 401, should_retry: true}",
    "nobody identified": "request: {}\nexpect: {status: 401, client: a}",
    "a header not sent upstream": "request: {}\nexpect: {status: 401, upstream_headers: {x: [y]}}",
    "a header not sent back": "request: {}\nexpect: {status: 401, response_headers: {x: [y]}}",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_a_wrong_expectation_is_caught(tmp_path: Path, text: str):
    file = tmp_path / "case.yaml"
    file.write_text(text)
    with pytest.raises(AssertionError):
        run_case(ClientIdEnforcement, read_case(file))


@pytest.mark.parametrize(
    "text",
    ["requets: {}", "request: {header: {}}", "expect: {statu: 1}", "calls: []\nrequest: {}"],
    ids=["top level", "request", "expectation", "a call beside calls"],
)
def test_an_unknown_word_in_a_case_is_an_error(tmp_path: Path, text: str):
    file = tmp_path / "case.yaml"
    file.write_text(text)
    with pytest.raises((msgspec.ValidationError, ValueError)):
        read_case(file)


def test_settings_that_ought_to_be_refused_and_are_not_are_caught(tmp_path: Path):
    file = tmp_path / "case.yaml"
    file.write_text("config: {}\ninvalid: anything")
    with pytest.raises(pytest.fail.Exception):
        run_case(ClientIdEnforcement, read_case(file))
