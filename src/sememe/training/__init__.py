"""Train encoders: data, losses, the trainer. The names here are loaded on use, for they need torch.

>>> import sememe
>>> sememe.train_bi("pairs.csv", "my-encoder").verdict   # doctest: +SKIP
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sememe.extras import importing

if TYPE_CHECKING:
    from sememe.training.runs import train_bi as train_bi
    from sememe.training.runs import train_cross as train_cross
    from sememe.training.settings import TrainingSettings as TrainingSettings
    from sememe.training.towers import BiTower as BiTower
    from sememe.training.towers import Tower as Tower
    from sememe.training.trainer import Objective as Objective
    from sememe.training.trainer import Trainer as Trainer
    from sememe.training.transformer_student import regress as regress
    from sememe.training.tuning import tune as tune

_HOMES = {
    "BiTower": "sememe.training.towers",
    "Objective": "sememe.training.trainer",
    "Tower": "sememe.training.towers",
    "Trainer": "sememe.training.trainer",
    "TrainingSettings": "sememe.training.settings",
    "regress": "sememe.training.transformer_student",
    "train_bi": "sememe.training.runs",
    "train_cross": "sememe.training.runs",
    "tune": "sememe.training.tuning",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sememe.training' has no attribute {name!r}")
    modules = ("torch", "transformers", "accelerate")
    with importing(*modules, purpose="training"):
        for module in modules:
            import_module(module)
    return getattr(import_module(_HOMES[name]), name)
