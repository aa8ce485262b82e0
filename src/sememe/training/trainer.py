"""The loop: batches, gradients, evaluations, the best weights, and a state on disk.

All that is random in a step is drawn from the seed and the step's number, so an interrupted run
resumes exactly where it stopped. A batch that does not fit into memory is computed part by part
without gradients, the loss is taken of all of it, and each part is computed once more to carry its
share of the gradient back (gradient caching: Gao et al., 2021).
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
from sememe.training.losses.loss import Loss, Outputs, Tensor
from sememe.training.settings import TrainingSettings
from sememe.training.towers import Part, Tower

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
        self.precision = settings.precision
        if self.precision == "auto":
            self.precision = "bf16" if narrowest(device)[0] == "bf16" else "f32"
        choose_precision(self.precision, device)
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        self._tower = tower
        self._modules = torch.nn.ModuleList([tower, *(o.loss for o in objectives)])
        self._modules.to(self._accelerator.device if is_distributed else device)
        self._step = Stepper(tower, self._accelerator, dtype)
        trained = [p for p in self._modules.parameters() if p.requires_grad]
        groups = [  # biases and norms are not drawn to zero
            {"params": [p for p in trained if p.ndim > 1], "weight_decay": settings.weight_decay},
            {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        weights = [objective.weight for objective in objectives]
        self._batches = Batches(
            [objective.examples for objective in objectives],
            settings.batch_size,
            weights=[1.0 if w is None else w for w in weights] if {*weights} - {None} else None,
            per_label=settings.per_label,
            seed=settings.seed,
            epochs=settings.epochs,
        )
        self._file = None if folder is None else folder / "state.pt"
        self.history = History()
        self._best: dict[str, Any] | None = None
        self._has_ended = False
        self._seconds = 0.0

    @property
    def steps(self) -> int:
        """How many steps there are in all."""
        return len(self._batches)

    def run(self, progress: bool | None = None) -> History:
        """Train to the end, or resume what was begun in the folder.

        InputError where the loss became NaN before anything better was measured; JobError where the
        state cannot be saved.
        """
        self._load()
        last_save = time.monotonic()
        began = last_save - self._seconds
        first = len(self.history.losses)
        limit = self._settings.minutes and 60 * self._settings.minutes
        place = self._place(first, limit)
        if self._settings.log:
            self._accelerator.init_trackers("sememe", config=asdict(self._settings))
        if first == 0:
            self._evaluate(0)
        self._tower.train()
        is_main = self._accelerator.is_main_process
        shows_bar = is_main and (is_terminal(sys.stderr) if progress is None else progress)
        with progress_bar(self.steps, "steps", shows_bar) as bar:
            bar.update(first)
            for step in range(first, first if self._has_ended else self.steps):
                if step == first + 1:
                    started = time.monotonic()  # the first step loads what is loaded on use
                if step == first + _TIMED and is_main:
                    seconds = (time.monotonic() - started) / (_TIMED - 1) * (self.steps - step)
                    rest = min(seconds, (limit or math.inf) - self._seconds)
                    warn_of_duration(f"{self.steps:,} steps", rest)
                if not self._train_step(step, place):
                    break
                self._seconds = time.monotonic() - began
                last, place = place, self._place(step + 1, limit)
                bar.update(1)
                metric = f", metric {self.history.evaluations[-1][1]:.4f}" if self._measure else ""
                bar.set_postfix_str(f"loss {np.mean(self.history.losses[-20:]):.4f}{metric}")
                if self._is_evaluation_due(last, place) and not self._evaluate(step + 1):
                    break
                if place == self.steps:
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

    def _place(self, done: int, limit: float | None) -> int:
        """How far the schedule is after so many steps, in steps: time may be further than they."""
        spent = self._seconds / limit if limit else 0.0
        return min(self.steps, max(done, int(spent * self.steps)))

    def _train_step(self, step: int, place: int) -> bool:
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
        turn = step * self._accelerator.num_processes + self._accelerator.process_index
        torch.manual_seed(seed + (turn + 1) * 1_000_003)
        rate = self._settings.rate(place, self.steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad()
        loss = self._step(objective.loss, columns, tensor)
        norm = float(
            self._accelerator.clip_grad_norm_(self._modules.parameters(), self._settings.max_norm)
        )
        if not math.isfinite(loss + norm):  # and the weights are still good
            problem = (
                f"Loss or gradient is not a number at step {step + 1} (learning rate {rate:.1e})"
            )
            if not self.history.best:  # none, or the one before the first step
                or_wider = ' or precision="f32"' if self.precision == "bf16" else ""
                raise InputError(
                    f"{problem}, before anything better was measured. Take a lower "
                    f"learning_rate{or_wider}."
                )
            warn(f"{problem}; training ended there, with the best weights so far.", SememeWarning)
            return False
        self._optimizer.step()
        self.history.losses.append(loss)
        self.history.rates.append(rate)
        self._log({"loss": loss, "learning_rate": rate}, step + 1)
        return True

    def _is_evaluation_due(self, last: int, place: int) -> bool:
        epoch = self.steps / self._settings.epochs
        count = max(1, round(self._settings.epochs * self._settings.evaluations))
        return place == self.steps or any(
            last < round(epoch * i / self._settings.evaluations) <= place for i in range(1, count)
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

    def _log(self, values: dict[str, float], step: int) -> None:
        if self._settings.log:
            self._accelerator.log(values, step=step)

    def _save(self) -> None:
        if self._file is None or not self._accelerator.is_main_process:
            return
        state = {
            "modules": _state(self._modules),
            "optimizer": None if self._has_ended else self._optimizer.state_dict(),
            "history": asdict(self.history),
            "best": self._best,
            "seconds": self._seconds,
        }
        try:
            with replacing(self._file) as temporary:
                torch.save(state, temporary)
        except (TableError, RuntimeError) as error:  # the last is torch's own, and unclear
            reason = error if isinstance(error, TableError) else f"{self._file} cannot be written"
            raise JobError(
                f"{reason}. The state saved before is safe: once this is mended (is the disk "
                "full?), the same call resumes from there."
            ) from error

    def _load(self) -> None:
        if self._file is None or not self._file.is_file():
            return
        try:
            state = torch.load(self._file, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise JobError(
                f"{self._file} cannot be read ({type(error).__name__}); delete "
                f"{self._file.parent} to begin again."
            ) from error
        self._modules.load_state_dict(state["modules"], strict=False)
        self._has_ended = state["optimizer"] is None
        if not self._has_ended:
            self._optimizer.load_state_dict(state["optimizer"])
        self.history, self._best = History(**state["history"]), state["best"]
        self._seconds = state["seconds"]

    def forget(self) -> None:
        """Delete the state, once the result is saved."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)


def _state(module: torch.nn.Module) -> dict[str, Any]:
    """All that training changes: weights, and what stands beside them, as batch norm's means."""
    trained = {name: x for name, x in module.named_parameters() if x.requires_grad}
    return {**trained, **dict(module.named_buffers())}


@dataclass(frozen=True)
class Stepper:
    """Computes a tower's gradients of a batch, which the accelerator's processes share.

    A dtype of bfloat16 computes the tower in it; its weights stay float32.
    """

    tower: Tower
    accelerator: Accelerator
    dtype: Any

    def __call__(
        self, loss: Loss, columns: Sequence[Sequence[Any]], targets: Tensor | None
    ) -> float:
        """Add the gradients of a batch of n examples to the parameters; returns its loss."""
        device, world = self.tower.device, self.accelerator.num_processes
        count = len(columns[0])
        # Where examples are fewer than processes, one that has none computes another's for nothing.
        mine = slice(self.accelerator.process_index % count, None, world)
        parts = self.tower.parts([item for column in columns for item in column[mine]])
        keys = _keys(columns).to(device)
        targets = None if targets is None else targets.to(device)

        def batch_loss(values: Tensor) -> Tensor:
            split = values.unflatten(0, (len(columns), -1))
            return loss(Outputs(list(split.unbind()), targets, keys))

        if len(parts) == 1 and world == 1:
            value = batch_loss(_in_order(parts, [self._forward(parts[0])]))
            value.backward()
            return float(value.detach())
        states, values, gpu = [], [], [device] if device.type == "cuda" else []
        with torch.no_grad():
            for part in parts:
                states.append((torch.get_rng_state(), [*map(torch.cuda.get_rng_state, gpu)]))
                values.append(self._forward(part))
        leaf = _in_order(parts, values).requires_grad_()
        total = batch_loss(self._gathered(leaf, len(columns), count))
        total.backward()
        for part, (state, gpu_states) in zip(parts, states, strict=True):
            with torch.random.fork_rng(gpu):  # what dropped out drops out again
                torch.set_rng_state(state)
                for gpu_state in gpu_states:
                    torch.cuda.set_rng_state(gpu_state, device)
                value = self._forward(part)
            value.backward(leaf.grad[torch.as_tensor(part.rows, device=device)])
        if world > 1:  # each has the gradient of its own items; the batch's is their sum
            for parameter in self.tower.parameters():
                if parameter.grad is not None:  # in no process or in all: each has items
                    parameter.grad = self.accelerator.reduce(parameter.grad, "sum")
        return float(total.detach())

    def _forward(self, part: Part) -> Tensor:
        device = self.tower.device
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.tower(*(x.to(device) for x in part.inputs)).float()

    def _gathered(self, leaf: Tensor, columns: int, count: int) -> Tensor:
        """All processes' outputs in the order of the batch; those of this one have gradients."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        if world == 1:
            return leaf
        local = leaf.unflatten(0, (columns, -1))
        longest = -(-count // world)
        padded = local.new_zeros(columns, longest, *local.shape[2:])
        padded[:, : local.shape[1]] = local.detach()
        gathered = self.accelerator.gather(padded[None])
        batch = gathered.new_empty(columns, count, *local.shape[2:])
        for other in range(world):
            size = len(range(other, count, world))
            batch[:, other::world] = (local if other == rank else gathered[other])[:, :size]
        return batch.flatten(0, 1)


def _in_order(parts: list[Part], values: list[Tensor]) -> Tensor:
    rows = np.concatenate([part.rows for part in parts])
    return torch.cat(values)[torch.as_tensor(np.argsort(rows), device=values[0].device)]


def _keys(columns: Sequence[Sequence[Any]]) -> Tensor:
    """Numbers that are equal where items are, int64 (n, columns); an image equals itself alone."""
    numbers: dict[Any, int] = {}
    identities = [
        [item if isinstance(item, str | tuple) else id(item) for item in row]
        for row in zip(*columns, strict=True)
    ]
    return torch.tensor(
        [[numbers.setdefault(each, len(numbers)) for each in row] for row in identities]
    )
