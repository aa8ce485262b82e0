"""sememe: sentence encoders on the machine you have.

    >>> import sememe
    >>> encoder = sememe.BiEncoder("all-MiniLM-L6-v2", precision="f32")
    >>> groups = sememe.cluster(["a cat", "a kitten", "a bus", "a tram"], encoder, clusters=2)
    >>> len(groups)
    2

Public names are loaded on first use, so that `import sememe` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sememe.classification.classifier import Classifier as Classifier
    from sememe.classification.training import train_classifier as train_classifier
    from sememe.clustering import Clusters as Clusters
    from sememe.clustering import cluster as cluster
    from sememe.encoders import BiEncoder as BiEncoder
    from sememe.encoders import CrossEncoder as CrossEncoder
    from sememe.encoders import RankedDocument as RankedDocument
    from sememe.encoders import StaticEncoder as StaticEncoder
    from sememe.encoders import quantize as quantize
    from sememe.evaluation.flow import evaluate as evaluate
    from sememe.pairs import Pairs as Pairs
    from sememe.pairs import find_pairs as find_pairs
    from sememe.search import Hit as Hit
    from sememe.search import Index as Index
    from sememe.selection import select as select
    from sememe.training import train_bi as train_bi
    from sememe.training import train_cross as train_cross
    from sememe.training.distilling import distill as distill
    from sememe.training.mining import mine_negatives as mine_negatives

__version__ = "0.2.0"

_HOMES = {
    "BiEncoder": "sememe.encoders",
    "Classifier": "sememe.classification.classifier",
    "Clusters": "sememe.clustering",
    "CrossEncoder": "sememe.encoders",
    "Hit": "sememe.search",
    "Index": "sememe.search",
    "Pairs": "sememe.pairs",
    "RankedDocument": "sememe.encoders",
    "StaticEncoder": "sememe.encoders",
    "cluster": "sememe.clustering",
    "distill": "sememe.training.distilling",
    "evaluate": "sememe.evaluation.flow",
    "find_pairs": "sememe.pairs",
    "mine_negatives": "sememe.training.mining",
    "quantize": "sememe.encoders",
    "select": "sememe.selection",
    "train_bi": "sememe.training",
    "train_classifier": "sememe.classification.training",
    "train_cross": "sememe.training",
}

__all__ = ["errors", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("sememe.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'sememe' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
