"""One batch to gradients, however big it is.

Where a batch does not fit into memory its outputs are computed part by part without gradients, the
loss is taken of all of them, and each part is computed once more to carry its share of the
gradient back (gradient caching: Gao et al., 2021). A batch's size is then a matter of time alone,
and there is no need to accumulate gradients of smaller ones, which see fewer negatives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator

from sememe.training.losses.loss import Loss, Outputs, Tensor
from sememe.training.towers import Part, Tower


@dataclass(frozen=True)
class Stepper:
    """Computes gradients of a tower.

    Attributes:
        tower: what is trained.
        accelerator: the processes between which a batch is shared.
        dtype: bfloat16 to compute the tower in it, its weights staying float32; or float32.
    """

    tower: Tower
    accelerator: Accelerator
    dtype: Any

    def __call__(
        self, loss: Loss, columns: Sequence[Sequence[Any]], targets: Tensor | None
    ) -> float:
        """Add the gradients of a batch to the parameters; returns its loss.

        Args:
            loss: of the whole batch.
            columns: the items of its n examples, column by column.
            targets: of its examples, or None.
        """
        device, world = self.tower.device, self.accelerator.num_processes
        count = len(columns[0])
        # Where examples are fewer than processes, one that has none computes another's for nothing.
        mine = slice(self.accelerator.process_index % count, None, world)
        items = [item for column in columns for item in column[mine]]
        parts = self.tower.parts(items)
        keys = _keys(columns).to(device)
        targets = None if targets is None else targets.to(device)

        def batch_loss(values: Tensor) -> Tensor:
            split = values.unflatten(0, (len(columns), -1))
            return loss(Outputs(list(split.unbind()), targets, keys))

        if len(parts) == 1 and world == 1:
            value = batch_loss(_in_order(parts, [self._forward(parts[0])]))
            value.backward()
            return float(value.detach())
        return self._cached(parts, batch_loss, (len(columns), count))

    def _cached(
        self, parts: list[Part], batch_loss: Callable[[Tensor], Tensor], shape: tuple[int, int]
    ) -> float:
        states, values, device = [], [], self.tower.device
        with torch.no_grad():
            for part in parts:
                states.append(_random_state(device))
                values.append(self._forward(part))
        leaf = _in_order(parts, values).requires_grad_()
        total = batch_loss(self._gathered(leaf, shape))
        total.backward()
        for part, state in zip(parts, states, strict=True):
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                _set_random_state(state, device)
                value = self._forward(part)
            value.backward(leaf.grad[torch.as_tensor(part.rows, device=device)])
        self._sum_gradients()
        return float(total.detach())

    def _forward(self, part: Part) -> Tensor:
        device = self.tower.device
        with torch.autocast(device.type, self.dtype, enabled=self.dtype != torch.float32):
            return self.tower(*(x.to(device) for x in part.inputs)).float()

    def _gathered(self, leaf: Tensor, shape: tuple[int, int]) -> Tensor:
        """All processes' outputs in the order of the batch; those of this one have gradients."""
        world, rank = self.accelerator.num_processes, self.accelerator.process_index
        if world == 1:
            return leaf
        columns, count = shape
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

    def _sum_gradients(self) -> None:
        """Every process has the gradient of its own items; the batch's is their sum."""
        if self.accelerator.num_processes > 1:
            for parameter in self.tower.parameters():
                if parameter.grad is not None:  # in no process or in all: each has items
                    parameter.grad = self.accelerator.reduce(parameter.grad, "sum")


def _in_order(parts: list[Part], values: list[Tensor]) -> Tensor:
    """The outputs of all parts in the order of their rows."""
    ordered = values[0].new_empty(sum(len(x) for x in values), *values[0].shape[1:])
    for part, value in zip(parts, values, strict=True):
        ordered[torch.as_tensor(part.rows, device=value.device)] = value
    return ordered


def _keys(columns: Sequence[Sequence[Any]]) -> Tensor:
    """Numbers that are equal where items are, int64 (n, columns); an image equals itself alone."""
    seen: dict[Any, int] = {}
    return torch.tensor(
        [
            [seen.setdefault(_hashable(item), len(seen)) for item in row]
            for row in zip(*columns, strict=True)
        ]
    )


def _hashable(item: Any) -> Any:
    return item if isinstance(item, str | tuple) else id(item)


def _random_state(device: Any) -> tuple[Tensor, Tensor | None]:
    on_gpu = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return torch.get_rng_state(), on_gpu


def _set_random_state(state: tuple[Tensor, Tensor | None], device: Any) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1], device)
