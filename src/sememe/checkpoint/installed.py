"""Which models are on this machine, and which of them can be read."""

from dataclasses import dataclass
from pathlib import Path

from sememe.checkpoint.complete import missing_files
from sememe.checkpoint.find import SHIPPED, in_cache, in_package
from sememe.checkpoint.read import Checkpoint, read
from sememe.errors import SememeError


@dataclass(frozen=True)
class Installed:
    """A model that is here.

    Attributes:
        name: what `BiEncoder` takes.
        place: package, cache or hub.
        directory: where it is.
        bytes: its size on disk.
        checkpoint: its description, None where it cannot be read.
        problem: why not.
    """

    name: str
    place: str
    directory: Path
    bytes: int
    checkpoint: Checkpoint | None
    problem: str


def installed_models() -> list[Installed]:
    """All models in packages, in sememe's cache and in the Hub's; the network is not touched."""
    found = []
    for repository, shipped in SHIPPED.items():
        name = repository.removeprefix("sentence-transformers/")
        for place, look in (("package", in_package), ("cache", in_cache)):
            try:
                if directory := look(shipped):
                    found.append(_described(name, place, directory))
            except SememeError as error:
                found.append(Installed(name, place, Path(), 0, None, str(error)))
    return found + _on_hub()


def _on_hub() -> list[Installed]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return []
    return [
        _described(repository.repo_id, "hub", revision.snapshot_path)
        for repository in sorted(repositories, key=lambda r: r.repo_id)
        if repository.repo_type == "model"
        for revision in repository.revisions
    ]


def _described(name: str, place: str, directory: Path) -> Installed:
    missing = missing_files(directory) if place == "hub" else []
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    if missing:
        problem = f"{', '.join(missing)} is missing; fetch it: sememe pull {name}"
        return Installed(name, place, directory, size, None, problem)
    try:
        checkpoint = read(directory)
        if not checkpoint.weights.names:
            return Installed(name, place, directory, size, None, "there are no tensors in it")
    except SememeError as error:
        return Installed(name, place, directory, size, None, str(error))
    return Installed(name, place, directory, size, checkpoint, "")
