"""What every step of compiling shares: the problems found, the secrets' sources, and small checks."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path as FilePath

from tollway.config.problems import Path, Problems, did_you_mean, shown
from tollway.config.resources import Resources
from tollway.config.values import SecretReference
from tollway.interfaces.secrets import Secret, SecretSource

Warn = Callable[[str], None]


class Compilation:
    """One run of the compiler."""

    __slots__ = ("_secrets", "folder", "problems", "resources", "warn")

    def __init__(
        self,
        resources: Resources,
        *,
        secrets: Mapping[str, SecretSource],
        folder: FilePath,
        problems: Problems,
        warn: Warn,
    ) -> None:
        """Compile `resources`; see `compile_snapshot`."""
        self.resources = resources
        self.folder = folder
        self.problems = problems
        self.warn = warn
        self._secrets = secrets

    def secret(self, reference: SecretReference, path: Path) -> Secret:
        """Read a secret; what cannot be read is a problem at `path`, and an empty secret."""
        source = self._secrets.get(reference.scheme)
        if source is None:
            known = ", ".join(sorted(self._secrets)) or "none"
            self.problems.add(path, f"no source for ${{{reference.scheme}:…}} is set up here; there are: {known}")
            return Secret("")
        try:
            return source.resolve(reference.name)
        except LookupError as error:
            self.problems.add(path, str(error.args[0]) if error.args else f"no secret {reference}")
            return Secret("")

    def named(self, name: str, known: Iterable[str], path: Path, *, kind: str, among: Path) -> bool:
        """Check that `name` is one of `known`, which stand at `among`; note a problem when it is not."""
        names = tuple(known)
        if name in names:
            return True
        # A mistake in what is referred to explains the missing name; complaining twice would mislead.
        if not self.problems.names_unsure(among):
            self.problems.add(path, f"{shown(name)} is not {kind}; {did_you_mean(name, names)}")
        return False

    def unique(self, names: Sequence[str], path: Path, field: str, *, mend: str = "give each its own") -> None:
        """Check that the items of the list at `path` differ in `field`."""
        first: dict[str, int] = {}
        for index, name in enumerate(names):
            earlier = first.setdefault(name, index)
            if earlier != index and name:
                self.problems.add(
                    (*path, index, field), f"{shown(name)} is the {field} of {path[-1]}[{earlier}] already: {mend}"
                )

    def file(self, written: str) -> FilePath:
        """The file that a path in the configuration means."""
        return self.folder / written
