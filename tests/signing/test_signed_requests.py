import hashlib
from collections.abc import Mapping

import pytest

from tollway.core.errors import CallerError
from tollway.interfaces.secrets import Secret
from tollway.interfaces.signer import OutboundRequest
from tollway.signing.signed_requests import SKEW_SECONDS, read_proof, signer_of
from tollway.signing.sigv4 import SigV4
from tollway.testing.clock import START_WALL_US
from tollway.testing.exchange import FakeExchange

_HOST = "gateway.example.com"
_PATH = "/bedrock/model/anthropic.claude-v1%3A0/converse"
_BODY = b'{"messages":[]}'
_SECRETS = {"shop": Secret("hush")}


def _signed(
    credential: str = "shop:hush@eu-west-1", *, path: str = _PATH, at_us: int = START_WALL_US
) -> dict[str, str]:
    request = OutboundRequest(method="POST", host=_HOST, target=path, headers=(), body=_BODY, now_us=at_us)
    return {"host": _HOST, **dict(SigV4("bedrock").headers(credential, request))}


def _asked(headers: Mapping[str, str], *, path: str = _PATH, body: bytes = _BODY) -> str | CallerError | None:
    bare, _, query = path.partition("?")
    exchange = FakeExchange(path=bare, query=query, headers=dict(headers), body=body)
    return signer_of(exchange, _SECRETS.get)


def test_who_signed_with_the_signing_secret_is_known() -> None:
    assert _asked(_signed()) == "shop"


@pytest.mark.parametrize("path", [_PATH + "?a=1&b=%20", "/x/model/arn%3Aaws%3Aa%2Fb/invoke", "/a:b"])
def test_the_path_and_query_count_as_they_were_sent(path: str) -> None:
    assert _asked(_signed(path=path), path=path) == "shop"
    refused = _asked(_signed(path=path), path=_PATH)
    assert isinstance(refused, CallerError)
    assert refused.code == "invalid_signature"


@pytest.mark.parametrize("authorization", [None, "Bearer a:b", "Basic YTpi", "AWS4-HMAC-SHA256"])
def test_a_request_that_is_not_signed_is_nobodys(authorization: str | None) -> None:
    assert _asked({} if authorization is None else {"authorization": authorization}) is None


@pytest.mark.parametrize(
    "headers",
    [
        _signed("shop:wrong@eu-west-1"),
        _signed("other:hush@eu-west-1"),
        _signed() | {"host": "elsewhere.example.com"},
        {name: value for name, value in _signed().items() if name != "host"},
        _signed("shop:hush:token@eu-west-1") | {"x-amz-security-token": "another"},
    ],
    ids=["secret", "signer", "host", "no host", "signed header"],
)
def test_what_does_not_fit_its_signature_is_refused(headers: dict[str, str]) -> None:
    refused = _asked(headers)
    assert isinstance(refused, CallerError)
    assert (refused.status, refused.code) == (403, "invalid_signature")
    assert "hush" not in refused.message


def test_another_body_is_refused() -> None:
    refused = _asked(_signed(), body=b"{}")
    assert isinstance(refused, CallerError)
    assert refused.code == "invalid_signature"


def test_a_claimed_hash_of_the_body_must_be_its_own() -> None:
    right = hashlib.sha256(_BODY).hexdigest()
    assert _asked(_signed() | {"x-amz-content-sha256": right}) == "shop"
    refused = _asked(_signed() | {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert isinstance(refused, CallerError)
    assert "x-amz-content-sha256" in refused.message


@pytest.mark.parametrize("seconds", [-SKEW_SECONDS, SKEW_SECONDS])
def test_a_signature_counts_for_a_quarter_of_an_hour(seconds: int) -> None:
    sign = 1 if seconds > 0 else -1
    assert _asked(_signed(at_us=START_WALL_US + seconds * 1_000_000)) == "shop"
    refused = _asked(_signed(at_us=START_WALL_US + (seconds + sign) * 1_000_000))
    assert isinstance(refused, CallerError)
    assert (refused.status, refused.code) == (403, "expired_signature")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"authorization": "AWS4-HMAC-SHA256 Credential=shop"}, "must hold Credential"),
        ({"x-amz-date": "yesterday"}, "x-amz-date"),
        ({"x-amz-date": "20010101T000000Z"}, "date of the credential"),
        ({"authorization": _signed()["authorization"].replace("host;", "")}, "'host' must be signed"),
        ({"authorization": _signed()["authorization"].replace(";x-amz-date", "")}, "'x-amz-date' must be signed"),
    ],
    ids=["parts", "date", "another date", "host unsigned", "date unsigned"],
)
def test_a_signature_with_parts_missing_says_which(change: dict[str, str], said: str) -> None:
    refused = _asked(_signed() | change)
    assert isinstance(refused, CallerError)
    assert (refused.status, refused.code) == (400, "incomplete_signature")
    assert said in refused.message


def test_a_day_that_does_not_exist_is_no_time() -> None:
    authorization = _signed()["authorization"]
    date = _signed()["x-amz-date"][:8]
    impossible = {"authorization": authorization.replace(date, "20269931"), "x-amz-date": "20269931T000000Z"}
    refused = _asked(_signed() | impossible)
    assert isinstance(refused, CallerError)
    assert refused.code == "expired_signature"


@pytest.mark.parametrize("text", ["", "Credential=a/20260101/r/s/aws4_request", "Credential=a/b/c, SignedHeaders=host"])
def test_a_proof_that_is_not_well_formed_is_none(text: str) -> None:
    assert read_proof(text) is None
