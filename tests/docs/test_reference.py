"""Whatever can be asked for is documented, and what is generated is what the code says now."""

import ast
import re
import subprocess
import sys

import msgspec
import pytest
import yaml
from tests.docs.blocks import DOCS, PAGES, ROOT

from tollway.cli.main import command_names
from tollway.config.resources import Limits, Resource, Resources
from tollway.core import errors
from tollway.dialects.registry import all_dialects
from tollway.gateway import answer_headers
from tollway.interfaces.dialect import Endpoint
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.json_schema import configuration_schema_text
from tollway.snapshot.plugins import policy_ids, provider, provider_names

TOOLS = sorted(path.name for path in (ROOT / "tools").glob("docs_*.py"))
ERRORS = [one.__name__ for one in vars(errors).values() if isinstance(one, type) and issubclass(one, Exception)]
_HEADER = re.compile(r"\b(?:x-[a-z-]*[a-z]|www-authenticate|retry-after|apim-request-id|request-id)(?![a-z])")
_NOT_OURS = frozenset(
    {
        "x-amz-security-token",  # credentials that header-injection refuses to set
        "x-api-key",
        "x-goog-api-key",
        "x-gzip",  # a content coding
        "x-www-form-urlencoded",  # a content type
        "x-llm-proxy-route",  # of requests
    }
)


def _reference(name: str) -> str:
    return (DOCS / "reference" / name).read_text("utf-8")


@pytest.mark.parametrize("tool", TOOLS)
def test_a_generated_page_is_up_to_date(tool: str) -> None:
    command = [sys.executable, str(ROOT / "tools" / tool), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", command_names())
def test_every_command_is_documented_with_every_option(name: str) -> None:
    page = _reference("cli.md")
    section = page.partition(f"\n## tollway {name}\n")[2].partition("\n## ")[0]
    assert section
    help_text = _subparser_help(name)
    for option in re.findall(r"--[a-z][a-z-]*", help_text):
        assert option in section or option == "--help", option


def _subparser_help(name: str) -> str:
    command = [sys.executable, "-m", "tollway.cli.main", name, "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", provider_names())
def test_every_provider_has_its_section_and_all_its_models(name: str) -> None:
    one = provider(name)
    section = _reference("providers.md").partition(f"\n## {one.title}\n")[2].partition("\n## ")[0]
    assert f"`{name}`" in section
    for model in one.known_models:
        assert f"`{model}`" in section


@pytest.mark.parametrize("policy", policy_ids())
def test_every_policy_has_a_page_with_an_example(policy: str) -> None:
    page = _reference(f"policies/{policy}.md")
    assert f"Policy id `{policy}`" in page
    assert f"policy: {policy}" in page


@pytest.mark.parametrize("error", [name for name in ERRORS if name != "TollwayError"])
def test_every_error_is_documented(error: str) -> None:
    assert f"| `{error}` |" in _reference("errors.md")


def test_every_code_of_a_failed_attempt_is_documented() -> None:
    source = (ROOT / "src/tollway/gateway/route.py").read_text("utf-8")
    page = _reference("errors.md")
    keys = [
        key.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.AnnAssign) and isinstance(node.value, ast.Dict)
        for key in node.value.keys
        if isinstance(key, ast.Constant)
    ]
    assert keys
    for code in keys:
        assert f"`{code}`" in page, code


def _sections(kind: type[Resource]) -> set[type[Resource]]:
    found = {kind}
    for field in msgspec.structs.fields(kind):
        for part in _parts(field.type):
            if isinstance(part, type) and issubclass(part, Resource) and part not in found:
                found |= _sections(part)
    return found


def _parts(kind: object) -> list[object]:
    inner = getattr(kind, "__args__", ())
    return [kind, *(deeper for part in inner for deeper in _parts(part))]


@pytest.mark.parametrize("section", sorted(_sections(Resources), key=lambda one: one.__name__))
def test_every_section_of_the_configuration_is_documented_with_every_key(section: type[Resource]) -> None:
    text = _reference("configuration.md").partition(f"\n## {section.__name__}\n")[2].partition("\n## ")[0]
    assert text
    for field in msgspec.structs.fields(section):
        assert f"| `{field.encode_name}` |" in text, field.name


def test_the_schema_that_editors_read_is_the_one_the_code_makes() -> None:
    assert (ROOT / "schemas" / "tollway.schema.json").read_text("utf-8") == configuration_schema_text()


@pytest.mark.parametrize("member", UsageRecord.__struct_fields__)
def test_every_member_of_the_usage_record_is_documented(member: str) -> None:
    assert f"| `{member}` |" in _reference("usage-record.md")


def _sent_headers() -> set[str]:
    """Every header name that stands in the source of what writes answers."""
    found: set[str] = set()
    for part in ("gateway", "policies"):
        for file in (ROOT / "src/tollway" / part).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                value = node.value if isinstance(node, ast.Constant) else ""
                text = value.decode("latin-1") if isinstance(value, bytes) else value
                if isinstance(text, str) and "\n\n" not in text and len(text) < 200:
                    found.update(_HEADER.findall(text.lower()))
    return found - _NOT_OURS


def test_every_header_that_answers_may_carry_is_documented() -> None:
    page = _reference("headers.md")
    names = _sent_headers()
    assert {"x-correlation-id", "x-tollway-overhead-us", "x-token-limit", "www-authenticate"} <= names
    for name in names:
        assert f"`{name}" in page, name


def test_every_header_that_passes_is_documented() -> None:
    page = _reference("headers.md")
    passing = [*answer_headers._PASS_EXACT, *answer_headers._PASS_PREFIXES]
    for name in passing:
        assert f"`{name.decode()}`" in page, name


def _endpoints() -> list[Endpoint]:
    return [endpoint for dialect in all_dialects() for endpoint in dialect.endpoints]


@pytest.mark.parametrize("endpoint", _endpoints(), ids=lambda one: f"{one.dialect} {one.method} {one.path}")
def test_every_path_is_documented(endpoint: Endpoint) -> None:
    assert f"| {endpoint.method} | `{endpoint.path}` |" in _reference("endpoints.md")


def test_every_limit_of_a_listener_is_documented_with_what_is_beyond_it() -> None:
    page = _reference("http.md")
    for name in Limits.__struct_fields__:
        assert f"`{name}`" in page, name


def test_every_page_stands_in_the_index() -> None:
    index = (DOCS / "index.md").read_text("utf-8")
    for page in PAGES:
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        if name != "index" and not name.startswith(("adr/", "reference/policies/")):
            assert f"\n{name}\n" in index, name


def test_the_examples_of_the_repository_are_yaml() -> None:
    files = sorted((ROOT / "examples").glob("*.yaml"))
    assert files
    for file in files:
        assert isinstance(yaml.safe_load(file.read_text("utf-8")), dict)
