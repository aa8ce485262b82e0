"""The loop: batches, gradients, evaluations, the best weights, and a state on disk.

All that is random in a step is drawn from the seed and the step's number, so an interrupted run
resumes exactly where it stopped.
"""

import math
import os
import pickle
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from sememe.costs import warn_of_duration
from sememe.engines.torch.runtime import choose_device, choose_precision, narrowest
from sememe.errors import InputError, JobError, SememeWarning, TableError, warn
from sememe.evaluation.outcome import History
from sememe.progress import is_terminal, progress_bar
from sememe.tables import replacing
from sememe.training.batches import Batches, Rows
from sememe.training.losses.loss import Loss
from sememe.training.settings import TrainingSettings
from sememe.training.steps import Stepper
from sememe.training.towers import Tower

_TIMED = 10
"""How many steps tell how long all will take."""

Measure = Callable[[Tower], float]


@dataclass(frozen=True)
class Objective:
    """Examples, the loss that is taken of them, and how often they are drawn beside others."""

    examples: Rows
    loss: Loss
    weight: float | None = None


class Trainer:
    """Trains a tower.

    Args:
        tower: what is trained; it ends with the best weights that were measured, or the last.
        objectives: one or more data sets, each with its loss; a batch is of one of them.
        settings: how.
        measure: the higher, the better; called before the first step, then as the settings say.
        folder: where the state is kept, from which an interrupted run resumes; None to keep none.

    Example:
        >>> history = Trainer(tower, [Objective(examples, TripletLoss())], TrainingSettings()).run()
        ... # doctest: +SKIP
    """

    def __init__(
        self,
        tower: Tower,
        objectives: Sequence[Objective],
        settings: TrainingSettings,
        *,
        measure: Measure | None = None,
        folder: Path | None = None,
    ) -> None:
        device = choose_device(settings.device)
        self._settings = settings
        self._objectives = objectives
        self._measure = measure
        # accelerate keeps its first device as long as Python runs: alone, we choose the device.
        is_distributed = int(os.environ.get("WORLD_SIZE", 1)) > 1
        self._accelerator = Accelerator(
            cpu=is_distributed and device.type == "cpu",
            log_with=settings.log,
            project_dir=settings.log_directory,
        )
        self.precision = training_precision(settings.precision, device)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self._tower = tower
        self._modules = torch.nn.ModuleList([tower, *(o.loss for o in objectives)])
        self._modules.to(self._accelerator.device if is_distributed else device)
        self._step = Stepper(tower, self._accelerator, dtype)
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(self._modules, settings.weight_decay),
            lr=settings.learning_rate,
            fused=True,
        )
        self._batches = Batches(
            [objective.examples for objective in objectives],
            settings.batch_size,
            weights=_weights(objectives),
            per_label=settings.per_label,
            seed=settings.seed,
            epochs=settings.epochs,
        )
        self._file = None if folder is None else folder / "state.pt"
        self.history = History()
        self._best: dict[str, Any] | None = None
        self._has_ended = False

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return len(self._batches)

    def run(self, progress: bool | None = None) -> History:
        """Train to the end, or resume what was begun in the folder.

        Raises:
            InputError: the loss became NaN before anything better was measured.
            JobError: the state cannot be saved.
        """
        self._load()
        last_save = time.monotonic()
        first = len(self.history.losses)
        if self._settings.log:
            self._accelerator.init_trackers("sememe", config=asdict(self._settings))
        if first == 0:
            self._evaluate(0)
        self._tower.train()
        shows_bar = is_terminal(sys.stderr) if progress is None else progress
        shows_bar = shows_bar and self._accelerator.is_main_process
        with progress_bar(self.steps, "steps", shows_bar) as bar:
            bar.update(first)
            for step in range(first, first if self._has_ended else self.steps):
                if step == first + 1:
                    started = time.monotonic()  # the first step loads what is loaded on use
                if step == first + _TIMED:
                    seconds = (time.monotonic() - started) / (_TIMED - 1)
                    if self._accelerator.is_main_process:
                        warn_of_duration(f"{self.steps:,} steps", seconds * (self.steps - step))
                if not self._train_step(step):
                    break
                bar.update(1)
                bar.set_postfix_str(self._status())
                if self._is_evaluation_due(step + 1) and not self._evaluate(step + 1):
                    break
                if time.monotonic() - last_save >= 60 * self._settings.save_minutes:
                    self._save()
                    last_save = time.monotonic()
        if self._best is not None:
            self._tower.load_state_dict(self._best, strict=False)
        if not self._has_ended:
            self._has_ended, self._best = True, None
            with suppress(JobError):  # no room: the result may still have some, and is saved next
                self._save()
        if self._settings.log:
            self._accelerator.end_training()
        return self.history

    def _train_step(self, step: int) -> bool:
        """One step; False where the loss is not a number, and the best weights so far are kept."""
        dataset, rows = self._batches[step]
        objective = self._objectives[dataset]
        seed = self._settings.seed
        examples = [objective.examples[row] for row in rows]
        columns = self._tower.columns(
            [example.texts for example in examples], np.random.default_rng([seed, step])
        )
        targets = [example.target for example in examples]
        tensor = None if targets[0] is None else torch.tensor(targets)
        # Processes drop out different values, each from its own items.
        place = step * self._accelerator.num_processes + self._accelerator.process_index
        torch.manual_seed(seed + (place + 1) * 1_000_003)
        rate = self._settings.rate(step, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss = self._step(objective.loss, columns, tensor)
        norm = float(
            self._accelerator.clip_grad_norm_(self._modules.parameters(), self._settings.max_norm)
        )
        if not math.isfinite(loss + norm):  # and the weights are still good
            self._stop(step, rate)
            return False
        self._optimizer.step()
        self.history.losses.append(loss)
        self.history.rates.append(rate)
        self._log({"loss": loss, "learning_rate": rate}, step + 1)
        return True

    def _stop(self, step: int, rate: float) -> None:
        problem = f"Loss or gradient is not a number at step {step + 1} (learning rate {rate:.1e})"
        if self.history.best:  # neither none nor the one before the first step
            warn(f"{problem}; training ended there, with the best weights so far.", SememeWarning)
            return
        or_wider = ' or precision="f32"' if self.precision == "bf16" else ""
        raise InputError(
            f"{problem}, before anything better was measured. Take a lower learning_rate{or_wider}."
        )

    def _is_evaluation_due(self, done: int) -> bool:
        epoch = self.steps / self._settings.epochs
        count = max(1, round(self._settings.epochs * self._settings.evaluations))
        return done == self.steps or any(
            done == round(epoch * i / self._settings.evaluations) for i in range(1, count)
        )

    def _evaluate(self, done: int) -> bool:
        """Measure, and keep the weights if they are the best; False where training should end."""
        if self._measure is None:
            return True
        value = self._measure(self._tower)
        history = self.history
        self._tower.train()
        history.evaluations.append((done, value))
        self._log({"metric": value}, done)
        if history.best is None or value > history.evaluations[history.best][1]:
            history.best = len(history.evaluations) - 1
            self._best = {name: x.detach().clone() for name, x in _state(self._tower).items()}
        patience = self._settings.patience
        return patience is None or len(history.evaluations) - 1 - history.best < patience

    def _status(self) -> str:
        loss = float(np.mean(self.history.losses[-20:]))
        metric = f", metric {self.history.evaluations[-1][1]:.4f}" if self._measure else ""
        return f"loss {loss:.4f}{metric}"

    def _log(self, values: dict[str, float], step: int) -> None:
        if self._settings.log:
            self._accelerator.log(values, step=step)

    def _save(self) -> None:
        if self._file is not None and self._accelerator.is_main_process:
            state = {
                "modules": _state(self._modules),
                "optimizer": None if self._has_ended else self._optimizer.state_dict(),
                "history": asdict(self.history),
                "best": self._best,
            }
            save_state(self._file, state)

    def forget(self) -> None:
        """Delete the state, once the result is saved."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _load(self) -> None:
        if self._file is None or (state := load_state(self._file)) is None:
            return
        self._modules.load_state_dict(state["modules"], strict=False)
        self._has_ended = state["optimizer"] is None
        if not self._has_ended:
            self._optimizer.load_state_dict(state["optimizer"])
        self.history, self._best = History(**state["history"]), state["best"]


def training_precision(precision: str, device: Any) -> str:
    """bf16 or f32; auto takes bf16 where the device has it."""
    if precision == "auto":
        return "bf16" if narrowest(device)[0] == "bf16" else "f32"
    return choose_precision(precision, device)[0]


def _state(module: torch.nn.Module) -> dict[str, Any]:
    """All that training changes: weights, and what stands beside them, as batch norm's means."""
    trained = {name: x for name, x in module.named_parameters() if x.requires_grad}
    return {**trained, **dict(module.named_buffers())}


def _parameter_groups(modules: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Biases and norms are not drawn to zero."""
    trained = [p for p in modules.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]


def _weights(objectives: Sequence[Objective]) -> list[float] | None:
    weights = [objective.weight for objective in objectives]
    if all(weight is None for weight in weights):
        return None
    return [1.0 if weight is None else weight for weight in weights]


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Replace the state.

    Raises:
        JobError: it cannot be written, as on a full disk; the state before is kept.
    """
    try:
        with replacing(path) as temporary:
            torch.save(state, temporary)
    except (TableError, RuntimeError) as error:  # the last is of torch's own writer, and unclear
        reason = str(error) if isinstance(error, TableError) else f"{path} cannot be written"
        raise JobError(
            f"{reason}. The state saved before is safe: once this is mended (is the disk full?), "
            "the same call goes on from there."
        ) from error


def load_state(path: Path) -> dict[str, Any] | None:
    """The state, or None where none was saved.

    Raises:
        JobError: it cannot be read.
    """
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise JobError(
            f"{path} cannot be read ({type(error).__name__}); delete {path.parent} to begin again."
        ) from error
    return state
