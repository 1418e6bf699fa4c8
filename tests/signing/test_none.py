from tollway.signing.none import Unsigned


def test_nothing_is_sent_whatever_the_key() -> None:
    assert Unsigned().headers("k", None) == ()
    assert Unsigned().headers("", None) == ()


def test_it_can_be_prepared_once() -> None:
    assert Unsigned().fixed
