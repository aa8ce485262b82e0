"""The contract of a store: where an index keeps its texts, vectors and metadata."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sememe.search.conditions import Condition

Id = str | int
Vectors = NDArray[np.float32]


class Row(NamedTuple):
    """A text with the user's own id and metadata; `1` and `"1"` are two ids."""

    id: Id
    text: str
    metadata: Mapping[str, Any]


class Match(NamedTuple):
    """A row that was found, and how well it fits: the higher, the better."""

    row: Row
    score: float


@dataclass(frozen=True)
class About:
    """What an index remembers of itself.

    Attributes:
        model: the encoder's name, or its directory.
        precision: what the encoder computed in.
        fingerprint: the encoder's; vectors may be compared only under one.
        dim: the size of a vector.
        measure: `cosine` or `dot`: whether vectors were made of length 1 before.
        language: how words are compared: `english` by their stems, `simple` as they are.
        pooling: what the encoder was told to pool by; None for the checkpoint's own.
        engine: what the encoder computed with.
        id_column: the column of files that ids come from; "" where they are made of the texts,
            None where it is not known.
    """

    model: str
    precision: str
    fingerprint: str
    dim: int
    measure: str = "cosine"
    language: str = "english"
    pooling: str | None = None
    engine: str = "auto"
    id_column: str | None = None


class Store(Protocol):
    """Rows and their vectors, durable; safe to use from several threads.

    Vectors are float32 (n, dim) and compared by their inner product. Every method may raise
    StoreError: the store is damaged, full, gone, or another process writes (one line says which).
    """

    place: str
    """How messages call it; never a password."""

    def about(self) -> About:
        """What the index remembers of itself."""
        ...

    def set_about(self, about: About) -> None:
        """Remember what differs from `about()` in nothing that vectors depend on."""
        ...

    def __len__(self) -> int:
        """How many rows there are."""
        ...

    def fields(self) -> dict[str, set[str]]:
        """`id`, `text` and the keys of the metadata, with the types of their values, as in JSON."""
        ...

    def ids_of(self, texts: Iterable[str]) -> dict[str, list[Id]]:
        """The ids of the rows with these texts, by text; reads all texts there are."""
        ...

    def check(self, rows: Sequence[Row]) -> None:
        """InputError for a row that this store cannot keep."""
        ...

    def writing(self, progress: bool | None = None) -> AbstractContextManager[None]:
        """Held by who writes, around all steps; where only one may write, others are told so.

        `progress` is for what there is to do at the end: see `BiEncoder.encode`.
        """
        ...

    def get(self, ids: Iterable[Id]) -> dict[Id, Row]:
        """Those rows that are there."""
        ...

    def put(
        self, rows: Sequence[Row], vectors: Vectors, fingerprint: str, *, replace: bool
    ) -> None:
        """Write rows of different ids: all or none, durable when it returns.

        `fingerprint` is the vectors' and must be the index's still. A row whose id is there takes
        its place with `replace`; without, the same row may be there, another is an InputError.
        """
        ...

    def delete(self, ids: Iterable[Id]) -> int:
        """Remove the rows of those ids that are there, all or none; how many they were."""
        ...

    def nearest(
        self, vectors: Vectors, count: int, where: Condition | None, fingerprint: str
    ) -> list[list[Match]]:
        """For each vector the `count` rows with the greatest inner products, best first.

        `fingerprint` is the vectors' and must be the index's still.
        """
        ...

    def matching(self, query: str, count: int, where: Condition | None) -> list[Match]:
        """The `count` rows whose words fit a query's best, best first; any text is a query."""
        ...

    def reencode(self, about: About, encode: Callable[[list[str]], Vectors]) -> None:
        """Give every row a new vector, a part at a time, and only then let all of them count.

        Readers see the old vectors until the last moment. Killed, it goes on where it was.
        """
        ...

    def compact(self) -> None:
        """Give back the room of what was removed, and bring what speeds up searches up to date."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...
