"""What the tests of compiling share: a configuration that says nearly everything, and how to compile text."""

from collections.abc import Mapping
from pathlib import Path

from tollway.config.loader import read_texts
from tollway.config.secret_sources import EnvironmentSource
from tollway.snapshot.compile import compile_snapshot
from tollway.snapshot.document import Snapshot

WHOLE = (Path(__file__).parent / "whole.yaml").read_text()
ENVIRON = {"KEY": "sk-key", "OTHER": "sk-other", "CLIENT_SECRET": "s3cret", "TWO_LINES": "a\nb"}


def compiled(text: str = WHOLE, environ: Mapping[str, str] = ENVIRON) -> Snapshot:
    """Compile `text` as a file of the folder /etc/tollway."""
    document = read_texts([(text, "f.yaml")], folder=Path("/etc/tollway"))
    secrets = {"env": EnvironmentSource(environ)}
    return compile_snapshot(document.resources, secrets=secrets, folder=document.folder, problems=document.problems)
