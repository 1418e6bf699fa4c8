"""No key, secret, prompt or upstream address where it does not belong, whatever happens to a call."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.test_failures import EVENTS, OK
from tests.support.running import Gateway, key_file

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

KEY = "sk-provider-key-31d7"
SECRET = "client-secret-90ac"
PROMPT = "the merger with Globex is on"
ANSWER = "nobody must know"
PATH = "/p/v1/chat/completions"


class Site:
    """A gateway that logs all it can, and everything callers were told."""

    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream) -> None:
        """Put the parts together."""
        self.gateway = gateway
        self.upstream = upstream
        self.told = ""

    def ask(self, answer: script.Answer, *, stream: bool = False, secret: str = SECRET) -> httpx.Response:
        """Ask once; remember what the caller sees."""
        self.upstream.forget()
        self.upstream.on(answer)
        body = {"model": "m", "stream": stream, "messages": [{"role": "user", "content": PROMPT}]}
        headers = {
            "client_id": "one",
            "client_secret": secret,
            "authorization": "Bearer of-the-caller",
            "cookie": "a=b",
        }
        found = httpx.post(f"{self.gateway.url}{PATH}", json=body, headers=headers)
        self.told += f"{found.headers}{found.text}"
        return found


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ScriptedUpstream() as upstream:
        route = {"name": "r", "provider": "openai", "credential": "key", "url": upstream.url}
        resources = {
            "gateway": {"log_level": "debug"},
            "listeners": [{"name": "default", "address": "127.0.0.1:0", "metrics": True}],
            "clients": [{"name": "One", "client_id": "one", "secrets": [key_file(tmp_path, "client", SECRET)]}],
            "credentials": [{"name": "key", "values": key_file(tmp_path, "key", KEY)}],
            "llm_proxies": [
                {
                    "name": "p",
                    "base_path": "/p",
                    "routes": [route],
                    "retries": {"attempts": 0},
                    "policies": [{"policy": "client-id-enforcement"}],
                    "contracts": "all",
                }
            ],
        }
        with Gateway(tmp_path / "gateway", resources) as gateway:
            yield Site(gateway, upstream)


def test_what_is_secret_stays_secret(site: Site) -> None:
    talking = EVENTS[0].replace("one ", ANSWER)
    quoting = {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "x", "code": "invalid_api_key"}}
    site.ask(OK)
    sent = site.upstream.requests[0]
    site.ask(script.sse([talking, *EVENTS[1:]]), stream=True)
    site.ask(script.cut_after(script.sse([talking, *EVENTS]), len(talking) + 5), stream=True)
    site.ask(script.failure(401, json=quoting))
    site.ask(script.failure(403, json=quoting))
    site.ask(script.failure(500))
    site.ask(script.raw("not HTTP at all"))
    site.ask(script.Answer(before=[script.Cut()]))
    assert site.ask(OK, secret="a-wrong-secret").status_code == 401
    assert site.ask(OK, secret=f"{SECRET}x").status_code == 401
    metrics = httpx.get(f"{site.gateway.url}/metrics").text
    site.gateway.stop()

    # The provider gets its key, and nothing that is the caller's own.
    assert sent.header("authorization") == f"Bearer {KEY}"
    names = {name.lower() for name, _ in sent.request.headers}
    assert not names & {"client_id", "client_secret", "cookie", "x-correlation-id"}
    assert SECRET not in str(sent.request.headers)

    kept = "".join(file.read_bytes().decode("latin-1") for file in site.gateway.data_dir.rglob("*") if file.is_file())
    places = {
        "answers": site.told,
        "metrics": metrics,
        "log": site.gateway.stderr + site.gateway.stdout,
        "files": kept,
    }
    assert len(site.gateway.ledger()) == 8
    port = site.upstream.url.rpartition(":")[2]
    for place, text in places.items():
        assert KEY not in text, place
        assert SECRET not in text, place
        assert "of-the-caller" not in text, place
        assert PROMPT not in text, place
    for place in ("metrics", "log", "files"):
        assert ANSWER not in places[place], place
    assert f":{port}" not in site.told


def test_the_gateway_tells_strangers_no_version(site: Site) -> None:
    answers = [
        httpx.get(f"{site.gateway.url}{path}") for path in ("/", "/p", PATH, "/probes/readiness", "/p/v1/models", "/no")
    ]
    for answer in answers:
        assert "server" not in answer.headers
        assert "tollway" not in answer.text.lower()
