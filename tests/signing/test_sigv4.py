import pytest

from tollway.core.errors import BadRequest
from tollway.interfaces.signer import OutboundRequest
from tollway.signing.sigv4 import AwsKey, SigV4, canonical_request, read_key, region_of, sign, signing_key

_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
_NOW_US = 1_769_903_999_000_000  # 2026-01-31T23:59:59Z
_BEDROCK = "bedrock-runtime.us-east-1.amazonaws.com"


def _request(host: str, target: str, body: bytes) -> OutboundRequest:
    return OutboundRequest(method="POST", host=host, target=target, headers=(), body=body, now_us=_NOW_US)


# Computed with botocore 1.44.8's `SigV4Auth`.
@pytest.mark.parametrize(
    ("service", "host", "target", "body", "token", "signature"),
    [
        pytest.param(
            "bedrock",
            _BEDROCK,
            "/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            b'{"messages":[]}',
            "",
            "bba685afebebf32146922184138f8fafd2a7c595b4cd0d60bdf9e11d713e5d50",
            id="a colon that is encoded twice",
        ),
        pytest.param(
            "bedrock",
            "bedrock-runtime.eu-west-1.amazonaws.com",
            "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A012345678901%3Ainference-profile%2Feu.x/converse-stream",
            b"{}",
            "",
            "ba5cb38323e32ae3634444e4e44fbede70a224955b29065ebcbc4b3d6f58521f",
            id="an ARN",
        ),
        pytest.param(
            "bedrock",
            _BEDROCK,
            "/model/amazon.nova-lite-v1%3A0/invoke",
            b'{"a":"\xc3\xa9"}',
            "TOKEN/+=",
            "b20d9b23c68b835da6f9a6ab24739e36d1fc292cab7d8f27243eaac354f6d51a",
            id="a session token",
        ),
        pytest.param(
            "bedrock",
            "bedrock.us-gov-west-1.amazonaws.com",
            "/foundation-models?byProvider=Amazon&a=%20b&A=1",
            b"",
            "",
            "b57a1a3d7fd9e26185ca43a5a1660cb94100120a2f4af16a9f2c97cc6760f33f",
            id="a query",
        ),
        pytest.param(
            "sagemaker",
            "runtime.sagemaker.us-east-2.amazonaws.com",
            "/endpoints/my-endpoint/invocations",
            b"{}",
            "",
            "86a1d14fc8ab2461fb4f4186766f9d3a068a304d083a5e518395f150712a36b6",
            id="another service",
        ),
    ],
)
def test_a_request_is_signed_as_awss_own_sdk_signs_it(
    service: str, host: str, target: str, body: bytes, token: str, signature: str
) -> None:
    credential = f"AKIDEXAMPLE:{_SECRET}" + (f":{token}" if token else "")
    headers = dict(SigV4(service).headers(credential, _request(host, target, body)))
    assert headers["x-amz-date"] == "20260131T235959Z"
    assert headers.get("x-amz-security-token", "") == token
    names = "host;x-amz-date" + (";x-amz-security-token" if token else "")
    scope = f"20260131/{region_of(host)}/{service}/aws4_request"
    assert headers["authorization"] == (
        f"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/{scope}, SignedHeaders={names}, Signature={signature}"
    )


def test_the_sums_are_those_of_awss_published_examples() -> None:
    # "Deriving the signing key" in the AWS General Reference, and `get-vanilla` of AWS's SigV4 test suite.
    key = signing_key(_SECRET, "20150830", "us-east-1", "iam")
    assert key.hex() == "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9"
    headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")]
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    canonical = canonical_request("GET", "/", "", headers, empty)
    key = signing_key(_SECRET, "20150830", "us-east-1", "service")
    signature = sign(key, "20150830T123600Z", "20150830/us-east-1/service/aws4_request", canonical)
    assert signature == "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/", "/"),
        ("/a/./b/../c", "/a/c"),
        ("/../a/", "/a/"),
        ("//a//b", "/a/b"),
        ("/a%2Fb", "/a%252Fb"),
        ("/a:b", "/a%3Ab"),
        ("/a~b_c.d-e", "/a~b_c.d-e"),
    ],
)
def test_paths_are_normalised_and_encoded_once_more(path: str, canonical: str) -> None:
    assert canonical_request("POST", path, "", [], "x").split("\n")[1] == canonical


def test_white_space_in_headers_does_not_count() -> None:
    lines = canonical_request("POST", "/", "", [("a", "  b   c ")], "x").split("\n")
    assert lines[3] == "a:b c"


@pytest.mark.parametrize(
    ("credential", "key"),
    [
        ("AKIA:s/+=", AwsKey("AKIA", "s/+=")),
        ("ASIA:s:t/+==", AwsKey("ASIA", "s", "t/+==")),
        ("AKIA:s@eu-central-1", AwsKey("AKIA", "s", "", "eu-central-1")),
        ("ASIA:s:t@us-gov-west-1", AwsKey("ASIA", "s", "t", "us-gov-west-1")),
        ("ABSKQmVkcm9jaw==", None),
        ("", None),
    ],
    ids=["long-lived", "temporary", "with a region", "temporary with a region", "bearer", "none"],
)
def test_credentials_have_a_few_forms(credential: str, key: AwsKey | None) -> None:
    assert read_key(credential) == key


@pytest.mark.parametrize("credential", [":s", "AKIA:", "AKIA:s@Frankfurt", ":"])
def test_a_key_without_its_parts_is_refused_without_being_shown(credential: str) -> None:
    signer = SigV4("bedrock")
    with pytest.raises(BadRequest, match="must be ACCESS_KEY_ID:SECRET") as caught:
        signer.headers(credential, _request(_BEDROCK, "/", b""))
    assert caught.value.code == "invalid_provider_key"
    assert signer.complaint(credential, _BEDROCK).startswith("the key of this route must be")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.us-east-1.amazonaws.com", "us-east-1"),
        ("bedrock-runtime-fips.ca-central-1.amazonaws.com", "ca-central-1"),
        ("bedrock-runtime.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("bedrock-runtime.us-gov-west-1.api.aws", "us-gov-west-1"),
        ("vpce-0a1b-2c3d.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com", "ap-southeast-2"),
        ("bedrock-runtime.us-iso-east-1.c2s.ic.gov:443", "us-iso-east-1"),
        ("127.0.0.1:8090", ""),
        ("gateway.example.com", ""),
    ],
)
def test_the_region_is_read_from_the_host(host: str, region: str) -> None:
    assert region_of(host) == region


def test_where_the_host_names_no_region_the_credential_must() -> None:
    signer, request = SigV4("bedrock"), _request("bedrock.internal", "/", b"")
    assert "/eu-west-1/bedrock/" in dict(signer.headers("AKIA:s@eu-west-1", request))["authorization"]
    with pytest.raises(BadRequest, match="names no region"):
        signer.headers("AKIA:s", request)
    assert "names no region" in signer.complaint("AKIA:s", "bedrock.internal")
    assert not signer.complaint("AKIA:s@eu-west-1", "bedrock.internal")
    assert not signer.complaint("AKIA:s", _BEDROCK)


def test_a_text_without_a_colon_is_a_bearer_token() -> None:
    signer = SigV4("bedrock")
    assert signer.headers("ABSK", _request(_BEDROCK, "/", b"")) == (("authorization", "Bearer ABSK"),)
    assert signer.headers("", None) == ()
    assert not signer.complaint("ABSK", "bedrock.internal")
    assert "cannot be sent" in signer.complaint("AB\nSK", _BEDROCK)


def test_a_key_does_not_show_its_secret() -> None:
    assert _SECRET not in repr(AwsKey("AKIA", _SECRET))
    assert not SigV4("bedrock").fixed
