"""Train encoders: data, losses, the trainer. Imported on use, for it needs torch.

>>> import sememe
>>> sememe.train_bi("pairs.csv", "my-encoder").verdict   # doctest: +SKIP
"""

from sememe.errors import MissingExtra

try:
    import accelerate as _accelerate  # noqa: F401
    import torch as _torch  # noqa: F401
    import transformers as _transformers  # noqa: F401
except ImportError:
    raise MissingExtra(
        'Training needs torch, transformers and accelerate: pip install "sememe[train]"'
    ) from None

from sememe.training.outcome import Outcome
from sememe.training.runs import train_bi, train_cross

__all__ = ["Outcome", "train_bi", "train_cross"]
