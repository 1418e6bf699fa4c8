"""Resources + plug-ins → the `Snapshot` one gateway runs: whole, or refused whole with every error.

    compile_snapshot(resources, secrets=…, folder=…) -> Snapshot      raises ConfigErrors

What reads files for it is `local.snapshot_from_files(path)`. Equal resources with equal secrets
compile to equal snapshots, so that a reload that changes nothing is seen as such.
"""

from collections.abc import Mapping
from pathlib import Path as FilePath

import msgspec

from tollway.config import resources as written
from tollway.config.problems import Path, Problems
from tollway.config.resources import Resources
from tollway.interfaces.secrets import Secret, SecretSource
from tollway.snapshot.access import compile_clients, compile_contracts
from tollway.snapshot.codec import content_version
from tollway.snapshot.compilation import Compilation, Warn
from tollway.snapshot.document import LlmProxy, ResponseState, Snapshot, Telemetry
from tollway.snapshot.endpoints import compile_base_paths, compile_listeners
from tollway.snapshot.http_checks import checked_headers, checked_url, is_header_value
from tollway.snapshot.policy_chain import compile_policies
from tollway.snapshot.upstreams import (
    Keys,
    compile_credentials,
    compile_fallback,
    compile_retries,
    compile_routes,
)


def compile_snapshot(
    resources: Resources,
    *,
    secrets: Mapping[str, SecretSource],
    folder: FilePath,
    problems: Problems | None = None,
    warn: Warn = lambda _: None,
) -> Snapshot:
    """Compile everything a gateway runs.

    Args:
        resources: what was written; where `problems` holds what was wrong with its form, stand-ins are in it.
        secrets: scheme of a reference (`env`, `file`, `vault`) → where it is resolved.
        folder: what relative paths are relative to.
        problems: what reading found; compiling adds to it, so that all is reported at once.
        warn: takes sentences about what is allowed but hardly meant.

    Raises:
        ConfigErrors: everything that is wrong. Nothing is compiled then.
    """
    found = Problems() if problems is None else problems
    compilation = Compilation(resources, secrets=secrets, folder=folder, problems=found, warn=warn)
    gateway = resources.gateway
    admin = gateway.admin
    draft = Snapshot(
        version="",
        gateway=gateway.name,
        workers=gateway.workers,
        data_dir=str(folder / gateway.data_dir),
        drain_seconds=float(gateway.drain),
        server_header=gateway.server_header,
        log_level=gateway.log_level,
        listeners=compile_listeners(compilation),
        proxies=_proxies(compilation),
        clients=compile_clients(compilation),
        telemetry=_telemetry(compilation, gateway.telemetry),
    )
    if admin is not None:
        telemetry = msgspec.structs.replace(draft.telemetry, admin_host=admin.host, admin_port=admin.port)
        draft = msgspec.structs.replace(draft, telemetry=telemetry)
    found.raise_if_any()
    return msgspec.structs.replace(draft, version=content_version(draft))


def _proxies(compilation: Compilation) -> tuple[LlmProxy, ...]:
    proxies = compilation.resources.llm_proxies
    compilation.unique([one.name for one in proxies], ("llm_proxies",), "name")
    keys = compile_credentials(compilation)
    places = compile_base_paths(compilation)
    return tuple(_proxy(compilation, one, keys, places[index], index) for index, one in enumerate(proxies))


def _proxy(
    compilation: Compilation,
    one: written.LlmProxy,
    keys: Mapping[str, Keys],
    place: tuple[str, tuple[str, ...]],
    index: int,
) -> LlmProxy:
    path: Path = ("llm_proxies", index)
    return LlmProxy(
        name=one.name,
        base_path=place[0],
        listeners=place[1],
        format=one.format,
        strategy=one.strategy,
        routes=compile_routes(compilation, one, keys, path),
        fallback=compile_fallback(compilation, one, path),
        retries=compile_retries(one.retries),
        policies=compile_policies(compilation, one, path),
        contracts=compile_contracts(compilation, one, path),
        on_client_leave=one.on_client_leave,
        drain_seconds=float(one.drain_time),
        drain_bytes=int(one.drain_bytes),
        response_state=_response_state(one.response_state),
    )


def _response_state(written_state: written.ResponseState | None) -> ResponseState | None:
    if written_state is None:
        return None
    return ResponseState(
        ttl_seconds=float(written_state.ttl),
        max_turns=written_state.max_turns,
        max_bytes=int(written_state.max_bytes),
        max_client_bytes=int(written_state.max_client_bytes),
    )


def _telemetry(compilation: Compilation, telemetry: written.Telemetry) -> Telemetry:
    path: Path = ("gateway", "telemetry")
    endpoint = ""
    if telemetry.otlp_endpoint:
        url = checked_url(telemetry.otlp_endpoint, (*path, "otlp_endpoint"), compilation.problems)
        endpoint = "" if url is None else url.base
    at: Path = (*path, "otlp_headers")
    names = checked_headers(dict.fromkeys(telemetry.otlp_headers, ""), at, compilation.problems, sent=False)
    headers: dict[str, Secret] = {}
    for name, reference in telemetry.otlp_headers.items():
        secret = compilation.secret(reference, (*at, name))
        if not is_header_value(secret.reveal()):
            compilation.problems.add((*at, name), "the secret cannot be sent in a header: it is not visible ASCII")
        if name.lower() in names:
            headers[name.lower()] = secret
    return Telemetry(
        otlp_endpoint=endpoint,
        otlp_headers=headers,
        service_name=telemetry.service_name,
        semantic_conventions=telemetry.semantic_conventions,
    )
