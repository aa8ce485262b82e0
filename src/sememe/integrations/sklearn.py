"""scikit-learn: texts to vectors, and texts to clusters, as estimators of its pipelines."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from sememe.checkpoint import DEFAULT_MODEL
from sememe.clustering import cluster
from sememe.clustering.grouping import Granularity
from sememe.encoders import BiEncoder
from sememe.encoders.vectors import Vectors
from sememe.extras import importing
from sememe.text import check_texts, refuse_tables

with importing("sklearn", purpose="scikit-learn's adapters"):
    from sklearn import base


class _OfTexts(base.BaseEstimator):  # type: ignore[misc]
    @property
    def _encoder(self) -> BiEncoder:
        folder = Path(self.model)
        return _opened(self.model, self.precision, folder.is_dir() and folder.stat().st_mtime_ns)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.requires_fit = isinstance(self, base.ClusterMixin)
        return tags


class SentenceVectorizer(base.ClassNamePrefixFeaturesOutMixin, base.TransformerMixin, _OfTexts):  # type: ignore[misc]
    """Texts (a list, an array (n,), a column of a table) to float32 vectors (n, dim).

    It learns nothing: `transform` works without `fit`. InputError names the text that is no str.
    Arguments are those of `BiEncoder` and of its `encode`; `model` is a name or a directory.

    Example:
        >>> SentenceVectorizer(precision="f32").transform(["a cat", "a kitten"]).shape
        (2, 384)
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, precision: str = "auto",
        prompt_name: str | None = None, truncate_dim: int | None = None,
    ) -> None:  # fmt: skip
        self.model, self.precision = model, precision
        self.prompt_name, self.truncate_dim = prompt_name, truncate_dim

    def fit(self, X: Iterable[str], y: object = None) -> Self:  # noqa: ARG002, N803
        """Check the texts."""
        _texts(X)
        return self

    def transform(self, X: Iterable[str]) -> Vectors:  # noqa: N803
        """Encode the texts."""
        encode = self._encoder.encode
        return encode(_texts(X), prompt_name=self.prompt_name, truncate_dim=self.truncate_dim)

    @property
    def _n_features_out(self) -> int:
        return self.truncate_dim or self._encoder.dim


class SentenceClusterer(base.ClusterMixin, _OfTexts):  # type: ignore[misc]
    """Texts to clusters; arguments are those of `BiEncoder` and of `sememe.cluster`.

    `labels_` is int64 (n,), -1 for an outlier; `clusters_` the whole result, `sememe.Clusters`.

    Example:
        >>> clusterer = SentenceClusterer(precision="f32", clusters=2)
        >>> clusterer.fit_predict(["a cat", "a kitten", "a bus", "a tram"]).tolist()
        [0, 0, 1, 1]
    """

    def __init__(
        self, model: str = DEFAULT_MODEL, *, precision: str = "auto", clusters: int | None = None,
        threshold: float | None = None, granularity: Granularity | None = None,
    ) -> None:  # fmt: skip
        self.model, self.precision = model, precision
        self.clusters, self.threshold, self.granularity = clusters, threshold, granularity

    def fit(self, X: Iterable[str], y: object = None) -> Self:  # noqa: ARG002, N803
        """Cluster texts (a list, an array (n,), a column of a table)."""
        grain = {name: getattr(self, name) for name in ("clusters", "threshold", "granularity")}
        self.clusters_ = cluster(_texts(X), self._encoder, **grain)
        self.labels_ = self.clusters_.labels
        return self


def _texts(column: Any) -> list[str]:
    refuse_tables(column, "X")
    return check_texts(column.tolist() if hasattr(column, "tolist") else column, name="X")


@lru_cache(maxsize=2)  # a search over parameters clones estimators by the dozen
def _opened(model: str, precision: str, _changed: int) -> BiEncoder:
    return BiEncoder(model, precision=precision)
