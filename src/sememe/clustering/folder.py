"""A clustering as a folder: what people read of it, and what opens it again.

assignments.csv      the user's columns, and each text's cluster, name and strength
map.html             the map
clusters.json        the clusters, and what made them; it is written last
rows.jsonl           the texts and the user's columns
arrays.safetensors   vectors, neighbours, labels, places on the map
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.cascade import LinearMap
from sememe.checkpoint.write import take_name
from sememe.clustering.membership import Space
from sememe.errors import InputError, TableError, is_unavailable
from sememe.neighbors import Neighbors
from sememe.tables import new_column, read_table, write_table

if TYPE_CHECKING:
    from sememe.clustering.result import Clusters

FORMAT = 1
FILES = ("assignments.csv", "map.html", "rows.jsonl", "arrays.safetensors", "clusters.json")
_ASSIGNMENTS, _MAP, _ROWS, _ARRAYS, _CLUSTERS = FILES


def save(
    groups: "Clusters", directory: str | os.PathLike[str], *, title: str, color: str | None
) -> None:
    """Write the folder; see `Clusters.save`."""
    from safetensors.numpy import save_file

    text = text_column(groups) or new_column("text", groups.columns)
    with _folder(Path(directory)) as folder:
        write_table(folder / _ASSIGNMENTS, assignment_columns(groups))
        if len(groups.blanks) < len(groups.texts):
            groups.save_map(folder / _MAP, title=title, color=color)
        rows = {name: v for name, v in groups.columns.items() if name != text}
        write_table(folder / _ROWS, {text: groups.texts, **rows})
        space = groups.space
        arrays = {"vectors": space.vectors, "node": space.node, "labels": groups.labels}
        if space.points is not None:
            arrays["points"] = space.points
        if space.threshold is None and len(space.vectors):
            arrays["indices"] = space.neighbors.indices
            arrays["similarity"] = space.neighbors.similarity
        if groups.map is not None:
            arrays |= {"map_mean": groups.map.mean, "map_root": groups.map.root}
        save_file(
            {name: np.ascontiguousarray(each) for name, each in arrays.items()}, folder / _ARRAYS
        )
        description = {
            "format": FORMAT,
            **groups.to_dict(),
            "text_column": text,
            "columns": list(groups.columns),
            "threshold": space.threshold,
            "encoder": describe_encoder(groups.encoder),
        }
        content = json.dumps(description, ensure_ascii=False, indent=1)
        (folder / _CLUSTERS).write_text(content + "\n", encoding="utf-8", errors="replace")


def text_column(groups: "Clusters") -> str | None:
    """The name of the user's column that holds the texts, if one does."""
    for name, values in groups.columns.items():
        if [value if isinstance(value, str) else "" for value in values] == groups.texts:
            return name
    return None


def assignment_columns(groups: "Clusters") -> dict[str, Any]:
    """The user's columns, or the texts, and each text's cluster, its name and strength."""
    columns: dict[str, Any] = dict(groups.columns)
    if text_column(groups) is None:
        columns = {new_column("text", columns): groups.texts, **columns}
    names = {one.label: one.name for one in groups.clusters}
    blank = set(groups.blanks.tolist())
    labels = groups.labels.tolist()
    for name, values in {
        "cluster": [None if row in blank else label for row, label in enumerate(labels)],
        "cluster_name": [names.get(label) for label in labels],
        "strength": groups.strength.round(3),
    }.items():
        columns[new_column(name, columns)] = values
    return columns


def read(directory: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Any], Space, Any]:
    """The description, the rows' columns, the space and the labels of a folder.

    Of one that a cross-encoder taught, the description has its `map` too.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = Path(directory)
    if not (folder / _CLUSTERS).is_file():
        raise InputError(
            f"{folder} holds no clustering (there is no {_CLUSTERS}): give a folder that save() or "
            "`sememe cluster -o` wrote."
        )
    try:
        description = json.loads((folder / _CLUSTERS).read_text(encoding="utf-8"))
        if description.get("format") != FORMAT:
            raise InputError(
                f"{folder} is a clustering of format {description.get('format')}, and this version "
                f"of sememe reads format {FORMAT}: cluster its texts again."
            )
        arrays = load_file(folder / _ARRAYS)
        columns = dict(read_table(folder / _ROWS).columns) if len(arrays["labels"]) else {}
        neighbors = None
        if "indices" in arrays:
            recall = description["recall"]
            neighbors = Neighbors(arrays["indices"], arrays["similarity"], recall)
        space = Space(
            arrays["vectors"], arrays["node"], description["threshold"], neighbors,
            arrays.get("points"),
        )  # fmt: skip
        if "map_root" in arrays:
            description["map"] = LinearMap(arrays["map_mean"], arrays["map_root"])
        return description, columns, space, arrays["labels"]
    except (OSError, ValueError, KeyError, AttributeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder} is damaged ({error}): save the clustering again, or cluster its texts again."
        ) from None


@dataclass(frozen=True)
class SavedEncoder:
    """An encoder by its name, which is opened when it is first needed."""

    model: str
    fingerprint: str
    engine: str
    precision: str
    pooling: str | None

    @cached_property
    def opened(self) -> Any:
        """The encoder; InputError if its vectors are not those that were clustered."""
        from sememe.encoders import BiEncoder  # on use: an engine comes with it

        encoder = BiEncoder(
            self.model, engine=self.engine, precision=self.precision, pooling=self.pooling
        )
        check_encoder(self, encoder)
        return encoder

    def encode(self, texts: list[str], /, *, progress: bool | None = None) -> Any:
        """Vectors, float32 (n, dim)."""
        return self.opened.encode(texts, progress=progress)


def describe_encoder(encoder: object) -> dict[str, Any] | None:
    """What opens an encoder again, and checks that it is the same; None of one without a name."""
    names = (each.name for each in fields(SavedEncoder))
    values = {name: getattr(encoder, name, None) for name in names}
    return values if values["model"] and values["fingerprint"] else None


def check_encoder(saved: SavedEncoder | None, encoder: object) -> None:
    """InputError unless the encoder's vectors can be compared with those that were clustered."""
    fingerprint = getattr(encoder, "fingerprint", None)
    if saved is not None and fingerprint != saved.fingerprint:
        name = getattr(encoder, "model", type(encoder).__name__)
        raise InputError(
            f"these texts were clustered with {saved.model} in {saved.precision} "
            f"({saved.fingerprint}), and this is {name} in {getattr(encoder, 'precision', '?')} "
            f"({fingerprint}): their vectors cannot be compared. Open the clustering with that "
            "encoder, or cluster the texts again."
        )


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """A temporary folder beside `target`, which takes its name, or its files' places in it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            prefix=".sememe-", dir=target.parent, ignore_cleanup_errors=True
        ) as temporary:
            folder = Path(temporary) / "groups"  # with the rights of any new folder
            folder.mkdir()
            yield folder
            if target.is_dir() and any(target.iterdir()):
                # The user's other files stay; without clusters.json, half of a folder isn't opened.
                (target / _CLUSTERS).unlink(missing_ok=True)
                for name in FILES:
                    (target / name).unlink(missing_ok=True)
                    if (folder / name).exists():
                        (folder / name).replace(target / name)
            else:
                take_name(folder, target)
    except OSError as error:
        raise TableError(
            f"{target} cannot be written: {error.strerror or error}.",
            unavailable=is_unavailable(error),
        ) from error
