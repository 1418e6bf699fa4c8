"""Coverage-guided fuzzing of every target: `python -m tests.fuzz [seconds a target] [target ...]`.

What breaks a target is written to a file that is named.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

_SECONDS: Final = "60"
_LARGEST_SEED: Final = 200_000


def _fuzz(name: str, seconds: str) -> None:
    """Fuzz one target in this process, which does not come back."""
    import atheris  # noqa: PLC0415 - the process that runs the others has no use for it

    with atheris.instrument_imports(include=["tollway"]):
        from tests.fuzz.targets import seeds, targets  # noqa: PLC0415 - instrumented as it is imported

    folder = Path(tempfile.mkdtemp(prefix="tollway-fuzz-"))
    for number, seed in enumerate(seeds(name)):
        if len(seed) <= _LARGEST_SEED:
            (folder / str(number)).write_bytes(seed)
    options = [f"-max_total_time={seconds}", "-max_len=20000", "-timeout=10", f"-artifact_prefix={folder}/broken-"]
    atheris.Setup([sys.argv[0], str(folder), *options], targets()[name])
    atheris.Fuzz()


def main(arguments: list[str]) -> int:
    """Fuzz the targets one after another, each in a process of its own."""
    if arguments[:1] == ["--one"]:
        _fuzz(arguments[1], arguments[2])
    from tests.fuzz.targets import targets  # noqa: PLC0415 - the process that fuzzes must not have it yet

    seconds, *names = arguments or [_SECONDS]
    broken = 0
    for name in names or targets():
        command = [sys.executable, "-m", "tests.fuzz", "--one", name, seconds]
        done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        broken += done.returncode != 0
        story = "\n".join(["broken", *lines[-25:]]) if done.returncode else "sound"
        sys.stdout.write(f"{name}: {story}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
