"""What a job has finished, as one JSON file that is replaced after every shard."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sememe.errors import JobError
from sememe.tables import replacing

# Readers of a folder of parquet files pass over names that begin so.
NAME = "_manifest.json"
_FORMAT = 1


@dataclass(frozen=True)
class Shard:
    """A finished part of the output.

    Attributes:
        file: its name in the job's folder.
        rows: how many texts.
        sha256: of the texts.
        bytes: the size of the file.
    """

    file: str
    rows: int
    sha256: str
    bytes: int


@dataclass
class Manifest:
    """What kind of job it is, all that its output depends on, and its finished shards in order."""

    kind: str
    settings: dict[str, Any]
    shards: list[Shard] = field(default_factory=list)
    finished: bool = False

    def save(self, folder: Path) -> None:
        """Replace the file, whole or not at all."""
        with replacing(folder / NAME) as temporary:
            said = {"format": _FORMAT, **asdict(self)}
            temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where there is none yet.

    Raises:
        JobError: it cannot be read, or another version of sememe wrote it.
    """
    path = folder / NAME
    if not path.is_file():
        return None
    mend = f"Delete the folder {folder} to begin again, or give another output."
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != _FORMAT:
            raise JobError(
                f"{path}: this job has format {said['format']}, and this version of sememe goes on "
                f"with format {_FORMAT}. {mend}"
            )
        shards = [Shard(**shard) for shard in said["shards"]]
        return Manifest(said["kind"], dict(said["settings"]), shards, bool(said["finished"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise JobError(f"{path} cannot be read ({error!r}). {mend}") from None
