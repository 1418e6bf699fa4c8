from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tollway.config import resources
from tollway.config.loader import config_files, load, read, read_texts
from tollway.config.problems import ConfigErrors

GOOD = """\
gateway: {name: edge, workers: 2}
clients:
  - {name: App, client_id: app, secrets: ["${env:A}", {secret: "${env:B}", expires: "2027-01-31T00:00:00Z"}]}
llm_proxies:
  - name: p
    base_path: /p
    routes: [{name: r, provider: openai}]
"""


def errors_of(text: str, tmp_path: Path) -> list[str]:
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(ConfigErrors) as raised:
        load(file)
    return [str(error).removeprefix(f"{tmp_path}/") for error in raised.value.errors]


def test_a_file_becomes_resources(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(GOOD)
    document = load(file)
    assert document.resources.gateway.workers == 2
    assert [secret.secret for secret in document.resources.clients[0].secrets] == ["${env:A}", "${env:B}"]
    assert document.resources.llm_proxies[0].routes[0].target_model == "from-request"
    assert (document.folder, document.files) == (tmp_path, (file,))


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n", "null\n"], ids=repr)
def test_an_empty_file_is_all_defaults(text: str, tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(text)
    assert load(file).resources == resources.Resources()


def test_a_byte_order_mark_is_no_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_bytes(b"\xef\xbb\xbfgateway: {name: x}\n")
    assert load(file).resources.gateway.name == "x"


def test_a_folder_is_read_as_one_file(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("clients: [{name: B, client_id: b}]\n")
    (tmp_path / "a.yml").write_text("gateway: {name: x}\nclients: [{name: A, client_id: a}]\n")
    (tmp_path / "notes.txt").write_text("not: [yaml")
    document = load(tmp_path)
    assert [client.name for client in document.resources.clients] == ["A", "B"]
    assert document.folder == tmp_path
    assert [file.name for file in document.files] == ["a.yml", "b.yaml"]


def test_mistakes_in_a_folder_are_named_in_their_own_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("gateway: {name: x}\nclients: [{name: A, client_id: a}]\n")
    (tmp_path / "b.yaml").write_text("gateway: {}\nclients:\n  - {name: B, client_id: 'b b'}\n")
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path)
    assert str(raised.value).splitlines() == [
        f"{tmp_path}/b.yaml:1:1: gateway: stands in {tmp_path}/a.yaml already: write it once",
        (
            f"{tmp_path}/b.yaml:3:26: clients[1].client_id: 'b b' is not a client id:"
            " write 1 to 128 visible ASCII characters without `:`, `,` and spaces"
        ),
    ]


def test_syntax_mistakes_in_two_files_are_named_together(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_text("b: }")
    with pytest.raises(ConfigErrors) as raised:
        load(tmp_path)
    assert [error.position.file for error in raised.value.errors if error.position] == [
        str(tmp_path / "a.yaml"),
        str(tmp_path / "b.yaml"),
    ]


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"no \*\.yaml file"):
        config_files(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"none\.yaml:1:1: cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_a_file_that_is_not_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_bytes(b"gateway:\n  name: \xff\n")
    with pytest.raises(ConfigErrors, match=r"t\.yaml:2:1: not UTF-8"):
        load(tmp_path / "t.yaml")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(
            "- a\n",
            [
                (
                    "t.yaml:1:1: not a configuration: the top level has the keys"
                    " gateway, listeners, business_groups, clients, credentials, llm_proxies"
                )
            ],
            id="a list",
        ),
        pytest.param(
            "gatway: {}\nllm_proxies: {}\n",
            [
                "t.yaml:1:1: gatway: unknown key; did you mean 'gateway'?",
                "t.yaml:2:14: llm_proxies: {} is not a list",
            ],
            id="top level",
        ),
        pytest.param(
            "gateway:\n  workers: 0\n  drain: 30\n  log_level: inof\n  workers: 2\n",
            [
                "t.yaml:2:12: gateway.workers: 0 is too small: at least 1",
                "t.yaml:3:10: gateway.drain: 30 has no unit: write 30s, 30ms, 30m or 30h",
                (
                    "t.yaml:4:14: gateway.log_level: 'inof' is not one of debug, error, info, warning;"
                    " did you mean 'info'?"
                ),
                "t.yaml:5:3: the key 'workers' stands here already, on line 2: remove one of the two",
            ],
            id="several in one section",
        ),
        pytest.param(
            "listeners:\n  - name: a\n    address: 127.0.0.1\n    tls: {certificate_file: a}\n",
            [
                (
                    "t.yaml:3:14: listeners[0].address: not an address:"
                    " write host:port such as 127.0.0.1:8081, or a port alone for 127.0.0.1"
                ),
                (
                    "t.yaml:4:10: listeners[0].tls.key_file: missing: add it"
                    " (Private key of the certificate, PEM, not encrypted. Relative to this file.)"
                ),
            ],
            id="listener",
        ),
        pytest.param(
            "llm_proxies:\n  - name: p\n    base_path: /p\n    routes:\n      - name: r\n"
            "        provider: openai\n        url: ${env:URL}\n    fallback: {route: r, on: [status_5x]}\n",
            [
                (
                    "t.yaml:7:14: llm_proxies[0].routes[0].url: references such as ${env:NAME} are resolved only"
                    " where secrets stand (credentials, client secrets): write the value itself"
                ),
                (
                    "t.yaml:8:31: llm_proxies[0].fallback.on[0]: 'status_5x' is not one of budget, connect_error,"
                    " first_byte_timeout, status_408, status_429, status_5xx, unhealthy, unknown_model;"
                    " did you mean 'status_5xx'?"
                ),
            ],
            id="proxy",
        ),
    ],
)
def test_every_mistake_is_named_with_its_place(text: str, lines: list[str], tmp_path: Path) -> None:
    assert errors_of(text, tmp_path) == lines


@pytest.mark.parametrize(
    "text",
    [
        "credentials: [{name: a, values: sk-secret}]",
        "credentials: [{name: a, values: [sk-secret]}]",
        "credentials: [{name: a, values: {key: sk-secret}}]",
        "credentials: sk-secret",
        "credentials: [sk-secret]",
        "clients: [{name: a, client_id: a, secrets: sk-secret}]",
        "clients: [{name: a, client_id: a, secrets: [sk-secret]}]",
        "clients: [{name: a, client_id: a, secrets: [{secret: sk-secret}]}]",
        "gateway: {telemetry: {otlp_headers: {authorization: sk-secret}}}",
        "gateway: {telemetry: {otlp_headers: sk-secret}}",
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_never_quoted(text: str, tmp_path: Path) -> None:
    (line,) = errors_of(text, tmp_path)
    assert "sk-secret" not in line


KEYS = st.sampled_from(
    sorted(
        {
            name
            for one in vars(resources).values()
            if isinstance(one, type) and issubclass(one, msgspec.Struct)
            for name in one.__struct_fields__
        }
    )
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just("${env:A}"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=25,
)


def read_or_refuse(text: str) -> None:
    try:
        document = read_texts([(text, "f.yaml")], folder=Path("/"))
    except ConfigErrors:
        return
    assert isinstance(document.resources, resources.Resources)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_any_configuration_is_read_or_refused(value: object) -> None:
    read_or_refuse(yaml.safe_dump(value))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


def test_reading_goes_on_after_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "t.yaml"
    file.write_text("gateway: {workers: x}\nclients: [{name: A, client_id: a}]\n")
    document = read(file)
    assert document.resources.clients[0].name == "A"
    with pytest.raises(ConfigErrors):
        document.problems.raise_if_any()
