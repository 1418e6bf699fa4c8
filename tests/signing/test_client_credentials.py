import base64

from tollway.interfaces.secrets import Secret
from tollway.signing.client_credentials import client_credentials_grant

URL = "https://sso.bank.example/token"


def test_id_and_secret_go_into_a_header_encoded_as_the_standard_wants() -> None:
    grant = client_credentials_grant(URL, "a:b", Secret("p&ss wörd"), scope="llm")
    ((name, value),) = grant.secret_headers
    assert name == "authorization"
    assert base64.b64decode(value.reveal().removeprefix("Basic ")) == b"a%3Ab:p%26ss+w%C3%B6rd"
    assert grant.form == (("grant_type", "client_credentials"), ("scope", "llm"))
    assert (grant.url, grant.method, grant.secret_form, grant.direct) == (URL, "POST", (), False)


def test_or_into_the_form_where_the_server_wants_them_there() -> None:
    grant = client_credentials_grant(URL, "me", Secret("s"), parameters={"audience": "llm"}, authentication="body")
    assert grant.form == (("grant_type", "client_credentials"), ("audience", "llm"), ("client_id", "me"))
    assert grant.secret_form == (("client_secret", Secret("s")),)
    assert grant.secret_headers == ()


def test_no_secret_is_seen() -> None:
    for authentication in ("header", "body"):
        shown = repr(client_credentials_grant(URL, "me", Secret("s3cret-55"), authentication=authentication))
        assert "s3cret-55" not in shown
        assert base64.b64encode(b"me:s3cret-55").decode() not in shown
