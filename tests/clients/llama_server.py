"""llama.cpp's own server: built from a source distribution, started on loopback with tiny models made here.

Its source comes inside the PyPI package `llama-cpp-python`, so that nothing but a package registry is needed.
The first build takes about ten minutes on two cores; set `TOLLWAY_PROOF_CACHE` to keep it elsewhere.
"""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
import pytest
from tests.clients import environments
from tests.support.running import environment, free_port, until

VERSION: Final = "0.3.36"
"""Of llama-cpp-python, whose source distribution holds the llama.cpp tree that is built."""
MODEL_TOOLS: Final = ("gguf==0.19.0", "numpy==2.4.6", "tokenizers==0.23.3")
_PROJECT: Final = Path(__file__).resolve().parents[2]
_BUILD_SECONDS: Final = 3600.0
_OPTIONS: Final = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
)

Kind = Literal["chat", "reason", "tool", "embed"]


class Counts(msgspec.Struct, frozen=True):
    """Tokens, with the names the ledger has for them."""

    input_fresh: int = 0
    cache_read: int = 0
    output: int = 0


def home() -> Path:
    """The folder with the built server, its own tests and the models; built when first asked for."""
    return environments.installed("llama-server", (VERSION, *MODEL_TOOLS), _build)


def own_tests() -> Path:
    """The folder of llama.cpp's tests of its server."""
    return home() / "tests"


class LlamaServer:
    """One server with one model: `with LlamaServer("chat") as server: server.url`."""

    def __init__(self, kind: Kind, *options: str) -> None:
        """Prepare; more options go to llama-server as they are."""
        self.kind = kind
        self._options = options
        self.model = f"tiny-{kind}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        place = home()
        command = [str(place / "llama-server"), *self._arguments(place / "models"), *self._options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
        )
        until(self._is_ready, f"an answer of llama-server with {self.model}", seconds=120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def tokens(self) -> Counts:
        """Give its own count since its start, once it works on nothing."""
        self.wait_until_idle(20)
        return Counts(
            input_fresh=self._metric("prompt_tokens_total"),
            cache_read=self._metric("prompt_tokens_cached_total"),
            output=self._metric("tokens_predicted_total"),
        )

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until it works on nothing."""
        # Whoever waits for an answer looks once a second whether its client is still there, and every other answer,
        # these numbers too, begins that second anew.
        until(self._is_idle, f"an idle llama-server with {self.model}", seconds=seconds, pause_seconds=2.5)

    def _is_idle(self) -> bool:
        return self._metric("requests_processing") == 0 == self._metric("requests_deferred")

    def _metric(self, name: str) -> int:
        with urlopen(f"{self.url}/metrics") as answer:
            text = answer.read().decode()
        found = re.search(rf"^llamacpp:{name} (\S+)$", text, re.MULTILINE)
        assert found is not None, f"llama-server has no metric {name}"
        return int(float(found[1]))

    def _arguments(self, models: Path) -> list[str]:
        common = ["--host", "127.0.0.1", "--port", str(self.port), "--alias", self.model, "--offline", "--no-ui"]
        common += ["--metrics", "-t", "1", "-tb", "1", "--threads-http", "8", "--log-verbosity", "1", "--seed", "7"]
        if self.kind == "embed":
            return ["-m", str(models / "tiny-chat.gguf"), "--embeddings", "--pooling", "mean", "-c", "4096", *common]
        memory = ["-c", "65536", "-np", "4", "--kv-unified", "--jinja", "--reasoning-format", "auto", "--temp", "0.9"]
        thinking = ["--reasoning-budget", "12"] if self.kind == "reason" else []
        return ["-m", str(models / f"{self.model}.gguf"), *memory, *thinking, *common]

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"llama-server ended with {self._process.returncode}"
        try:
            with urlopen(f"{self.url}/health") as answer:
                return answer.status == 200
        except (URLError, ConnectionError):
            return False


def _build(place: Path) -> None:
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("cmake and a C++ compiler are needed to build llama-server")
    tree = _source(place) / "vendor" / "llama.cpp"
    build = place / "build"
    environments.run(["cmake", "-S", str(tree), "-B", str(build), *_OPTIONS], cwd=place)
    target = ["cmake", "--build", str(build), "--target", "llama-server", "-j2"]
    environments.run(target, cwd=place, seconds=_BUILD_SECONDS)
    _make_models(place / "models", tree / "models" / "templates")
    shutil.copy(build / "bin" / "llama-server", place)
    shutil.copytree(tree / "tools" / "server" / "tests", place / "tests")
    shutil.rmtree(build)
    shutil.rmtree(place / "source")


def _source(place: Path) -> Path:
    pip = [str(environments.python()), "-m", "pip", "--disable-pip-version-check", "--quiet", "download"]
    only = ["--no-deps", "--no-binary", "llama-cpp-python", f"llama-cpp-python=={VERSION}"]
    environments.run([*pip, *only, "--dest", str(place)], cwd=place)
    (archive,) = place.glob("llama_cpp_python-*.tar.gz")
    with tarfile.open(archive) as members:
        members.extractall(place / "source", filter="data")
    archive.unlink()
    (tree,) = (place / "source").iterdir()
    return tree


def _make_models(models: Path, templates: Path) -> None:
    python = environments.python(*MODEL_TOOLS)
    script = Path(__file__).parent / "llama" / "tiny_models.py"
    environments.run([str(python), str(script), str(models), str(templates), *_texts()], cwd=models.parent)


def _texts() -> Sequence[str]:
    """The project's own pages are what the models have learnt from."""
    return sorted(str(page) for page in (_PROJECT / "docs").rglob("*.md"))
