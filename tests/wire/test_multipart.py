"""Parts of forms are found where they are, whatever they hold; what could be read in two ways is refused."""

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.multipart import FormPart, add_part, boundary_of, replace_part, scan_form

B = b"xXx"
_names = st.text("abcdefghij_[].-$ ", min_size=1, max_size=20)
_boundaries = st.from_regex(rb"[0-9A-Za-z'()+_,\-./:=?]{1,70}", fullmatch=True)


def form(*parts: tuple[str, bytes], boundary: bytes = B) -> bytes:
    return (
        b"".join(
            b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary, disposition.encode(), content)
            for disposition, content in parts
        )
        + b"--%b--\r\n" % boundary
    )


def field(name: str, content: bytes) -> tuple[str, bytes]:
    return f'name="{name}"', content


def contents(body: bytes, parts: list[FormPart]) -> list[tuple[str, bytes]]:
    return [(part.name, body[part.start : part.end]) for part in parts]


@given(st.lists(st.tuples(_names, st.binary(max_size=60)), min_size=1, max_size=6), _boundaries)
def test_every_part_is_found_whatever_it_holds(fields: list[tuple[str, bytes]], boundary: bytes) -> None:
    if any(b"\r\n--" + boundary in b"\r\n" + content for _, content in fields):
        return
    body = form(*(field(name, content) for name, content in fields), boundary=boundary)
    assert contents(body, scan_form(body, boundary)) == fields


@given(st.lists(st.tuples(_names, st.binary(max_size=60)), min_size=1, max_size=6), st.data())
def test_changing_a_part_changes_nothing_else(fields: list[tuple[str, bytes]], data: st.DataObject) -> None:
    if any(b"--" + B in content for _, content in fields):
        return
    body = form(*(field(name, content) for name, content in fields))
    chosen = data.draw(st.integers(0, len(fields) - 1))
    changed = replace_part(body, scan_form(body, B)[chosen], b"other")
    expected = [(name, b"other" if index == chosen else content) for index, (name, content) in enumerate(fields)]
    assert contents(changed, scan_form(changed, B)) == expected
    added = add_part(body, B, "model", b"m")
    assert contents(added, scan_form(added, B)) == [("model", b"m"), *fields]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for candidate in (body, b"--" + B + body, form(field("a", b"1"))[:-8] + body):
        try:
            parts = scan_form(candidate, B)
        except ValueError:
            continue
        assert all(part.start <= part.end <= len(candidate) for part in parts)


@given(st.integers(0, 400))
def test_a_form_that_is_cut_is_never_whole(cut: int) -> None:
    body = form(field("model", b"m"), ('name="file"; filename="a.txt"', b"hello"))
    end = len(body) - 2  # the last line end may be missing
    if cut < end:
        with pytest.raises(ValueError, match=r"form|part|header"):
            scan_form(body[:cut], B)


def test_it_is_read_as_the_standard_library_reads_it() -> None:
    body = form(field("model", b"whisper-1"), ('name="file"; filename="a b.wav"', b"RIFF"))
    head = b"content-type: multipart/form-data; boundary=xXx\r\n\r\n"
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    theirs = [
        (str(one.get_param("name", header="content-disposition")), one.get_content()) for one in message.iter_parts()
    ]
    assert [(name, text.strip().encode()) for name, text in theirs] == contents(body, scan_form(body, B))
    assert [part.is_file for part in scan_form(body, B)] == [False, True]


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        (b"multipart/form-data; boundary=abc", b"abc"),
        (b'Multipart/Form-Data;boundary="a b/c"', b"a b/c"),
        (b"multipart/form-data; charset=utf-8; boundary=abc", b"abc"),
    ],
)
def test_the_boundary_is_read(content_type: bytes, boundary: bytes) -> None:
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        b"",
        b"application/json",
        b"multipart/mixed; boundary=abc",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b'multipart/form-data; boundary="abc',
        b"multipart/form-data; boundary=abc; boundary=def",
        b'multipart/form-data; boundary="abc "',
        b"multipart/form-data; boundary=" + b"a" * 71,
    ],
)
def test_what_is_no_boundary_is_refused(content_type: bytes) -> None:
    with pytest.raises(ValueError, match=r"boundary|twice|malformed"):
        boundary_of(content_type)


HOSTILE = {
    "a preamble": b"hello\r\n" + form(field("a", b"1")),
    "no end": form(field("a", b"1"))[:-6],
    "an epilogue": form(field("a", b"1")) + b"more",
    "a line that begins like a boundary": form(field("a", b"1\r\n--xXxy\r\n2")),
    "a part without a head": b"--xXx\r\n\r\n1\r\n--xXx--",
    "a part without a name": form(("filename=x", b"1")),
    "a name given twice": form(('name="a"; name="model"', b"1")),
    "an escaped quote in a file's name": form(('name="a"; filename="x\\"; name=\\"model"', b"1")),
    "an escape in a name": form(('name="mod\\el"', b"1")),
    "a percent sign in a name": form(('name="%6dodel"', b"1")),
    "an encoded name": form(("name*=utf-8''model", b"1")),
    "both names": form(("name=\"a\"; name*=utf-8''model", b"1")),
    "what follows a file's name": form(('name="a"; filename="x"y; name="model"', b"1")),
    "a folded header": b'--xXx\r\nContent-Disposition: form-data;\r\n name="a"\r\n\r\n1\r\n--xXx--',
    "two dispositions": b'--xXx\r\nContent-Disposition: form-data; name="a"\r\n'
    b'Content-Disposition: form-data; name="model"\r\n\r\n1\r\n--xXx--',
    "a transfer encoding": b'--xXx\r\nContent-Disposition: form-data; name="model"\r\n'
    b"Content-Transfer-Encoding: base64\r\n\r\nbQ==\r\n--xXx--",
    "another disposition": b'--xXx\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--xXx--',
    "a bare line feed": b'--xXx\nContent-Disposition: form-data; name="a"\n\n1\n--xXx--',
    "a head without an end": b"--xXx\r\nContent-Disposition: form-data\r\n--xXx--",
    "a huge head": b"--xXx\r\nX: "
    + b"y" * 10_000
    + b'\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xXx--',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_what_two_readers_could_read_differently_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"form|header"):
        scan_form(body, B)


def test_parts_are_bounded() -> None:
    body = form(*(field("a", b"") for _ in range(11)))
    assert len(scan_form(body, B, most_parts=11)) == 11
    with pytest.raises(ValueError, match="more than 10 parts"):
        scan_form(body, B, most_parts=10)


@pytest.mark.parametrize("name", ["a b.png", "naïve.png", "back\\slash.png", "semi;colon.png"])
def test_a_files_name_may_hold_anything_but_a_quote(name: str) -> None:
    body = form((f'name="image"; filename="{name}"', b"1"))
    assert contents(body, scan_form(body, B)) == [("image", b"1")]
