"""The configuration that `tollway up` starts with: a proxy in front of three providers, and one client application.

<data_dir>/quickstart.yaml   the configuration; written anew at every start, for the environment decides
                             which providers are real and which are simulated
<data_dir>/quickstart.env    where to call and as whom, as shell assignments; its id and secret are
                             kept from start to start, and its other lines are left alone
<data_dir>/sim.key           the key the simulated providers are called with
"""

import secrets
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Final

import msgspec

from tollway.config.private_files import write_private_file
from tollway.interfaces.provider import Provider
from tollway.snapshot.client_secrets import derived_salt, written_hash
from tollway.snapshot.plugins import provider

PROVIDERS: Final = ("openai", "gemini", "anthropic")
BASE_PATH: Final = "/llm-proxy"
CLIENT_NAME: Final = "Finance Forecasting Agent"

_SIM_KEY: Final = "simulated"
_HEADER: Final = Template(
    """\
# Tollway's quickstart. It is written anew at every `tollway up`: to change it, copy it to a file of your own
# (`data_dir` below is relative to the file), and start it with `tollway gateway --config FILE`.

gateway:
  name: quickstart
  data_dir: .

listeners:
  - name: default
    address: 127.0.0.1:$port  # this machine only; 0.0.0.0:$port lets others in
    metrics: true  # Prometheus metrics at /metrics

business_groups:
  - name: Finance

clients:
  - name: $client_name
    description: AI-powered financial forecasting application for the Finance BG
    client_id: "$client_id"
    business_group: Finance
    secrets:  # as a hash; the secret itself is in quickstart.env
      - $secret_hash

credentials:
"""
)
_CREDENTIAL: Final = Template(
    """\
  - name: $name
    values: $${$reference}
"""
)
_PROXY: Final = Template(
    """\

llm_proxies:
  - name: llm-proxy
    description: One endpoint for every model, whatever API its callers speak.
    base_path: $base_path
    format: any  # callers may speak the OpenAI, the Anthropic or the Gemini API
    strategy: model-based  # `gemini/gemini-2.5-flash` goes to the route of provider gemini
    routes:
"""
)
_ROUTE: Final = Template(
    """\
      - name: $name
        provider: $name
        credential: $credential
        target_model: from-request
"""
)
_POLICIES: Final = Template(
    """\
    fallback:  # where a call goes when its own route fails
      route: gemini
      model: gemini-3-pro
    policies:
      - policy: client-id-enforcement
      - policy: llm-token-rate-limit
        config:
          keySelector: "#[attributes.headers['ClientId']]"
          limits:
            - totalTokens: 100000
              promptTokens: 50000
              timePeriodInMilliseconds: 60000
    contracts:
      - client: $client_name
"""
)


class Quickstart(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what to tell the person who started it."""

    config_file: Path
    env_file: Path
    gateway_url: str
    base_path: str
    client_id: str
    client_secret: str
    real: tuple[str, ...]
    """Providers that are called with a key of the environment."""
    simulated: Mapping[str, str]
    """Providers that `tollway sim` stands in for → the variable whose key would make them real."""


def write_quickstart(data_dir: Path, *, environ: Mapping[str, str], sim_port: int, port: int = 8081) -> Quickstart:
    """Write the quickstart's files.

    Args:
        data_dir: the folder they go to; made when it is not there.
        environ: where provider keys are looked for.
        sim_port: where `tollway sim` listens.
        port: where the gateway shall listen.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    env_file = data_dir / "quickstart.env"
    kept = _assignments(env_file)
    client_id = kept.get("CLIENT_ID") or secrets.token_hex(16)
    client_secret = kept.get("CLIENT_SECRET") or secrets.token_hex(24)
    gateway_url = f"http://localhost:{port}"
    ours = {"GATEWAY_URL": gateway_url, "CLIENT_ID": client_id, "CLIENT_SECRET": client_secret}
    _write_assignments(env_file, {**kept, **ours})

    providers = [provider(name) for name in PROVIDERS]
    real = tuple(one.name for one in providers if one.environment_key and environ.get(one.environment_key))
    simulated = {one.name: one.environment_key or "" for one in providers if one.name not in real}
    if simulated:
        write_private_file(data_dir / "sim.key", f"{_SIM_KEY}\n".encode())
    header = _HEADER.substitute(
        port=port,
        client_name=CLIENT_NAME,
        client_id=client_id,
        secret_hash=written_hash(client_secret, derived_salt(client_id)),
    )
    config_file = data_dir / "quickstart.yaml"
    text = header + _credentials(providers, real) + _proxy(providers, real, sim_port)
    write_private_file(config_file, text.encode())
    return Quickstart(
        config_file=config_file,
        env_file=env_file,
        gateway_url=gateway_url,
        base_path=BASE_PATH,
        client_id=client_id,
        client_secret=client_secret,
        real=real,
        simulated=simulated,
    )


def _credentials(providers: Iterable[Provider], real: Iterable[str]) -> str:
    text = "".join(
        _CREDENTIAL.substitute(name=one.name, reference=f"env:{one.environment_key}")
        for one in providers
        if one.name in real
    )
    if all(one.name in real for one in providers):
        return text
    return text + _CREDENTIAL.substitute(name="simulated", reference="file:sim.key")


def _proxy(providers: Iterable[Provider], real: Iterable[str], sim_port: int) -> str:
    text = _PROXY.substitute(base_path=BASE_PATH)
    for one in providers:
        if one.name in real:
            text += _ROUTE.substitute(name=one.name, credential=one.name)
            continue
        text += _ROUTE.substitute(name=one.name, credential="simulated")
        text += (
            f"        url: http://127.0.0.1:{sim_port}{one.sim_path}  # simulated: {one.environment_key} is not set\n"
        )
    return text + _POLICIES.substitute(client_name=CLIENT_NAME)


def _assignments(file: Path) -> dict[str, str]:
    """Read shell assignments; what is none, and a missing file, is nothing."""
    try:
        text = file.read_text("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return {}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.removeprefix("export ").partition("=")
        if equals and name.isidentifier():
            try:
                words = shlex.split(value)
            except ValueError:  # a quote without its end
                continue
            found[name] = words[0] if len(words) == 1 else ""
    return found


def _write_assignments(file: Path, values: Mapping[str, str]) -> None:
    lines = [f"{name}={shlex.quote(value)}\n" for name, value in values.items()]
    write_private_file(file, "".join(lines).encode())
