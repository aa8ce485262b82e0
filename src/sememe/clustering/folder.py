"""A clustering as a folder: what people read of it, and what opens it again.

assignments.csv      the user's columns, and each text's cluster, name and strength
map.html             the map
clusters.json        the clusters, and what made them; it is written last
rows.jsonl           the texts and the user's columns
arrays.safetensors   vectors, neighbours, labels, places on the map
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from sememe.arguments import as_path
from sememe.cascade import CascadeReport, LinearMap
from sememe.checkpoint.write import take_name
from sememe.clustering.membership import Assignment, Space
from sememe.clustering.terms import Cluster
from sememe.data.reading import Data, read_all
from sememe.errors import InputError, TableError, is_unavailable
from sememe.neighbors import Neighbors
from sememe.progress import counted
from sememe.protocols import Encoder
from sememe.tables import new_column, read_table, write_table

if TYPE_CHECKING:
    from sememe.clustering.result import Clusters

FORMAT = 1
FILES = ("assignments.csv", "map.html", "rows.jsonl", "arrays.safetensors", "clusters.json")
_ASSIGNMENTS, _MAP, _ROWS, _ARRAYS, _CLUSTERS = FILES


def save(
    self: "Clusters",
    directory: str | os.PathLike[str],
    *,
    title: str | None = None,
    color: str | None = None,
) -> None:
    """Save the clustering as a folder; `Clusters.open` gives it back.

    It holds assignments.csv, map.html, clusters.json and what opens it again, and appears whole or
    not at all. In a folder that exists, files of those names are replaced.

    Args:
        directory: the folder.
        title: shown above the map; None for `self.title`.
        color: the column that the map opens coloured by; None for `self.color`.

    Raises:
        TableError: it cannot be written, as on a full disk.
    """
    from safetensors.numpy import save_file

    title, color = title or self.title, color or self.color
    text = text_column(self) or new_column("text", self.columns)
    with _folder(as_path("directory", directory)) as folder:
        columns = dict(self.columns)
        if text not in columns:
            columns = {text: self.texts, **columns}
        assignment = Assignment(self.labels, self.strength)
        columns = with_assignments(columns, self, assignment, self.blanks.tolist())
        write_table(folder / _ASSIGNMENTS, columns)
        if len(self.blanks) < len(self.texts):
            self.save_map(folder / _MAP, title=title, color=color)
        rows = {name: v for name, v in self.columns.items() if name != text}
        write_table(folder / _ROWS, {text: self.texts, **rows})
        space = self.space
        arrays = {"vectors": space.vectors, "node": space.node, "labels": self.labels}
        if space.points is not None:
            arrays["points"] = space.points
        if space.threshold is None and len(space.vectors):
            arrays["indices"] = space.neighbors.indices
            arrays["similarity"] = space.neighbors.similarity
        if self.map is not None:
            arrays |= {"map_mean": self.map.mean, "map_root": self.map.root}
        arrays = {name: np.ascontiguousarray(each) for name, each in arrays.items()}
        save_file(arrays, folder / _ARRAYS)
        (folder / _ARRAYS).chmod((folder / _ROWS).stat().st_mode)  # safetensors' own is 0600
        description = {
            "format": FORMAT,
            **self.to_dict(),
            "text_column": text,
            "columns": list(self.columns),
            "title": title,
            "color": color,
            "threshold": space.threshold,
            "encoder": describe_encoder(self.encoder),
        }
        content = json.dumps(description, ensure_ascii=False, indent=1)
        (folder / _CLUSTERS).write_text(content + "\n", encoding="utf-8", errors="replace")


def checked_columns(columns: Data | None, texts: int) -> dict[str, Sequence[Any]]:
    """The user's own columns by name; InputError if they have not a value for each text."""
    if columns is None or (isinstance(columns, Mapping) and not columns):
        return {}
    table = read_all(columns)
    if len(table) != texts:
        rows = f"columns= has {counted(len(table), 'row')}"
        raise InputError(f"{rows} for {counted(texts, 'text')}: give one a text.")
    return dict(table.columns)


def text_column(groups: "Clusters") -> str | None:
    """The name of the user's column that holds the texts, if one does."""
    for name, values in groups.columns.items():
        if [value if isinstance(value, str) else "" for value in values] == groups.texts:
            return name
    return None


def with_assignments(
    columns: Mapping[str, Any], groups: "Clusters", assignment: Assignment, blanks: Sequence[int]
) -> dict[str, Any]:
    """Columns, and each text's cluster, its name and strength; blank texts, by row, have none."""
    result = dict(columns)
    names = {one.label: one.name for one in groups.clusters}
    labels = assignment.labels.tolist()
    values: dict[str, list[Any]] = {
        "cluster": labels,
        "cluster_name": [names.get(label) for label in labels],
        "strength": assignment.strength.astype(float).round(3).tolist(),
    }
    for name, results in values.items():
        for row in blanks:
            results[row] = None
        result[new_column(name, result)] = results
    return result


def read(
    directory: str | os.PathLike[str], encoder: Encoder | str | os.PathLike[str] | None
) -> dict[str, Any]:
    """The fields of the `Clusters` in a folder; see `Clusters.open`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    folder = as_path("directory", directory)
    if not (folder / _CLUSTERS).is_file():
        raise InputError(
            f"{folder} holds no clustering (there is no {_CLUSTERS}): give a folder that save() or "
            "`sememe cluster -o` wrote."
        )
    try:
        stored = json.loads((folder / _CLUSTERS).read_text(encoding="utf-8"))
        if stored.get("format") != FORMAT:
            raise InputError(
                f"{folder} is a clustering of format {stored.get('format')}, and this version "
                f"of sememe reads format {FORMAT}: cluster its texts again."
            )
        saved = stored["encoder"] and SavedEncoder(**stored["encoder"])
        arrays = load_file(folder / _ARRAYS)
        columns = dict(read_table(folder / _ROWS).columns) if len(arrays["labels"]) else {}
        neighbors = linear_map = cascade = None
        if "indices" in arrays:
            neighbors = Neighbors(arrays["indices"], arrays["similarity"], stored["recall"])
        if "map_root" in arrays:
            linear_map = LinearMap(arrays["map_mean"], arrays["map_root"])
        if "cascade" in stored:
            cascade = CascadeReport.from_dict(stored["cascade"])
        fields = {
            "labels": arrays["labels"],
            "texts": columns.get(stored["text_column"], []),
            "clusters": [
                Cluster(**{**one, "terms": tuple(one["terms"]), "examples": tuple(one["examples"])})
                for one in stored["clusters"]
            ],
            "space": Space(
                arrays["vectors"], arrays["node"], stored["threshold"], neighbors,
                arrays.get("points"),
            ),
            **{name: stored[name] for name in ("resolution", "why", "recall")},
            "columns": {name: columns[name] for name in stored["columns"]},
            "title": stored.get("title", "Clusters"),
            "color": stored.get("color"),
            "cascade": cascade,
            "map": linear_map,
        }  # fmt: skip
    except (OSError, ValueError, KeyError, AttributeError, TypeError, SafetensorError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{folder} is damaged ({error}): save the clustering again, or cluster its texts again."
        ) from None
    return {**fields, "encoder": _encoder(saved, encoder)}


def _encoder(
    saved: "SavedEncoder | None", encoder: Encoder | str | os.PathLike[str] | None
) -> Encoder | None:
    """The encoder that is saved, or the one that is given, which must be the same."""
    if encoder is None:
        return saved
    if saved is None:
        from sememe.encoders.opening import as_encoder  # on use: an engine comes with it

        return as_encoder(encoder)
    if isinstance(encoder, str | os.PathLike):
        return replace(saved, model=os.fspath(encoder))  # checked when it is opened
    check_encoder(saved, encoder)
    return encoder


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


def check_encoder(saved: SavedEncoder, encoder: object) -> None:
    """InputError unless the encoder's vectors can be compared with those that were clustered."""
    fingerprint = getattr(encoder, "fingerprint", None)
    if fingerprint != saved.fingerprint:
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
