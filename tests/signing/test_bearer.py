from tollway.signing.bearer import Bearer


def test_the_key_is_a_bearer_token() -> None:
    assert Bearer().headers("sk-1", None) == (("authorization", "Bearer sk-1"),)


def test_no_key_is_no_header() -> None:
    assert Bearer().headers("", None) == ()


def test_it_can_be_prepared_once() -> None:
    assert Bearer().fixed
