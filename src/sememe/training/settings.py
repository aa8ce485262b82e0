"""The settings of the training loop, checked; free of torch."""

from dataclasses import dataclass
from importlib.util import find_spec

from sememe.arguments import one_of, real_number, whole_number
from sememe.errors import MissingExtra

_WHOLE = {"batch_size": 2, "per_label": 0, "seed": 0, "evaluations": 1, "patience": 1}
_FROM_0 = {"warmup": 1, "weight_decay": None, "save_minutes": None}


@dataclass(frozen=True)
class TrainingSettings:
    """How to train; what data and model decide is chosen by `sememe.training.plan`.

    The attributes are the options of `sememe.train_bi` with the same names; `minutes`, which
    distilling alone sets, is when the learning rate has fallen to 0 at the latest.
    """

    epochs: float = 1
    batch_size: int = 32
    per_label: int = 0
    learning_rate: float = 2e-5
    warmup: float = 0.1
    weight_decay: float = 0.01
    max_norm: float = 1.0
    precision: str = "auto"
    device: str | None = None
    seed: int = 0
    evaluations: int = 1
    patience: int | None = None
    save_minutes: float = 5
    minutes: float | None = None
    log: str | None = None
    log_directory: str = "logs"

    def __post_init__(self) -> None:
        checked: dict[str, float] = {
            name: whole_number(name, getattr(self, name), least=least, most=2**63 - 1)
            for name, least in _WHOLE.items()
            if (name, getattr(self, name)) != ("patience", None)
        }
        for name in ("epochs", "learning_rate", "max_norm"):
            checked[name] = real_number(name, getattr(self, name), above=0)
        for name, most in _FROM_0.items():
            checked[name] = real_number(name, getattr(self, name), least=0, most=most)
        for name, value in checked.items():
            if not isinstance(getattr(self, name), int | float):  # numpy's, which JSON cannot hold
                object.__setattr__(self, name, value)
        one_of("precision", self.precision, ("auto", "f32", "bf16"))
        if self.log is not None:
            one_of("log", self.log, ("tensorboard", "wandb"))
            if find_spec(self.log) is None:
                raise MissingExtra(f"log={self.log!r} needs {self.log}: pip install {self.log}")

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of a step (from 0) among all."""
        rising = max(1, round(self.warmup * steps))
        share = min((step + 1) / rising, (steps - step) / max(1, steps - rising))
        return self.learning_rate * min(1.0, share)
