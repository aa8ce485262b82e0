"""Whether all of a model is in the Hub's cache: other tools, or broken downloads, leave parts.

What must be there is said by the files themselves: modules.json lists modules, an index lists
shards. Of files that a repository may have or not, only the Hub knows: what it once said is kept
where huggingface_hub keeps it too, in the folder `.no_exist` beside the snapshots.
"""

from pathlib import Path

from sememe.checkpoint.files import inside, read_json, read_json_list
from sememe.checkpoint.modules import TRANSFORMERS
from sememe.checkpoint.scoring import names_classifier

_TOKENIZERS = ("tokenizer.json", "vocab.txt", "merges.txt", "*.model")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt")
_FACE = "config_sentence_transformers.json"
_TRANSFORMER_FACE, _TOKENIZER_FACE = "sentence_bert_config.json", "tokenizer_config.json"


def missing_files(directory: Path) -> list[str]:
    """The files without which this model cannot be what it is, as far as the others say."""
    listing = directory / "modules.json"
    if not listing.is_file():
        return _missing_in(directory, "config.json", tokenizer=True)
    found: list[str] = []
    for entry in read_json_list(listing):
        kind = str(entry.get("type", "")).rsplit(".", 1)[-1]
        folder = inside(directory, str(entry.get("path", "")), said_by=listing)
        if kind == "Pooling":
            found += _absent(folder, "config.json")
        elif kind == "Dense":
            found += _missing_in(folder, "config.json", tokenizer=False)
        elif kind == "StaticEmbedding":
            found += _missing_in(folder, None, tokenizer=True)
        elif kind in TRANSFORMERS:
            found += _missing_in(folder, "config.json", tokenizer=True)
    return [str(Path(name).relative_to(directory)) for name in found]


def unknown_files(directory: Path) -> list[str]:
    """Files that are not there, and of which the Hub has not said that there are none."""
    listing, config = directory / "modules.json", directory / "config.json"
    if listing.is_file():
        names = [_FACE]
        for entry in read_json_list(listing)[:1]:
            folder = inside(directory, str(entry.get("path", "")), said_by=listing)
            if str(entry.get("type", "")).rsplit(".", 1)[-1] in TRANSFORMERS:
                names.append(str((folder / _TOKENIZER_FACE).relative_to(directory)))
                if not any(folder.glob("sentence_*_config.json")):  # of other names before 2.0
                    names.append(str((folder / _TRANSFORMER_FACE).relative_to(directory)))
    else:
        said = read_json(config) if config.is_file() else {}
        if said.get("model_type") == "model2vec":
            return []
        names = [_TOKENIZER_FACE, *([] if names_classifier(said) else ["modules.json"])]
    return [
        name
        for name in names
        if not (directory / name).is_file() and not _marker(directory, name).is_file()
    ]


def remember_absent(directory: Path, names: list[str]) -> None:
    """Keep that the Hub has no such files; where that cannot be written, it is asked again."""
    for name in names:
        marker = _marker(directory, name)
        try:
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
        except OSError:
            return


def _marker(directory: Path, name: str) -> Path:
    """models--org--name/.no_exist/REVISION/FILE, of models--org--name/snapshots/REVISION."""
    return directory.parent.parent / ".no_exist" / directory.name / name


def _missing_in(folder: Path, config: str | None, *, tokenizer: bool) -> list[str]:
    adapter = (folder / "adapter_config.json").is_file()  # of which reading says what it is
    found = [] if config is None or adapter else _absent(folder, config)
    if not (adapter or any(any(folder.glob(name)) for name in _PICKLES)):
        found += _missing_weights(folder)
    if tokenizer and not any(path.is_file() for name in _TOKENIZERS for path in folder.glob(name)):
        found.append(str(folder / _TOKENIZERS[0]))
    return found


def _missing_weights(folder: Path) -> list[str]:
    if (folder / _WEIGHTS).is_file():
        return []
    if not (folder / _INDEX).is_file():
        return [str(folder / _WEIGHTS)]
    shards = read_json(folder / _INDEX).get("weight_map")
    names = {str(name) for name in shards.values()} if isinstance(shards, dict) else set()
    return [path for name in sorted(names) for path in _absent(folder, name)]


def _absent(folder: Path, name: str) -> list[str]:
    return [] if (folder / name).is_file() else [str(folder / name)]
