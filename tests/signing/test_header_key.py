from tollway.signing.header_key import HeaderKey


def test_the_key_goes_into_the_named_header() -> None:
    assert HeaderKey("api-key").headers("k", None) == (("api-key", "k"),)


def test_a_prefix_stands_before_it() -> None:
    assert HeaderKey("x-auth", "Token ").headers("k", None) == (("x-auth", "Token k"),)


def test_no_key_is_no_header() -> None:
    assert HeaderKey("api-key", "Token ").headers("", None) == ()


def test_it_can_be_prepared_once() -> None:
    assert HeaderKey("api-key").fixed
