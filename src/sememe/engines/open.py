"""Choose the engine and the precision for a checkpoint on this machine."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Array, Engine, Output
from sememe.engines.ranges import find_ranges
from sememe.errors import ChoiceWarning, InputError, warn
from sememe.extras import importing
from sememe.processes import PerProcess, native_code
from sememe.text import Batch

ENGINES = ("auto", "openvino", "torch", "static")


def load_ahead(engine: str) -> None:
    """Import the engine on another core while the checkpoint is being found and hashed."""
    if engine != "static":
        # No daemon: a process that ends in the middle of an import may crash.
        thread = Thread(target=_import, args=("torch" if engine == "torch" else "openvino",))
        with suppress(RuntimeError):  # once the main thread has ended, none is started
            thread.start()


def _import(engine: str) -> None:
    with suppress(Exception), native_code():  # errors are told of when it is opened
        import_module(f"sememe.engines.{engine}")


class ReopeningEngine:
    """An engine that a forked process opens again: none survives a fork.

    Args:
        opens: opens the engine in a precision.
        precision: the precision; in every process the one that `auto` took in the first.
    """

    def __init__(self, opens: Callable[..., Engine], precision: str) -> None:
        options = {"precision": precision}

        def opened() -> Engine:
            with native_code():
                return opens(**options)

        self._opened = PerProcess(opened)
        engine = self._opened()
        options["precision"] = engine.precision
        self.name, self.precision = engine.name, engine.precision
        self.streams, self.budget = engine.streams, engine.budget
        self.dim, self.identity = engine.dim, engine.identity

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order."""
        return self._opened().run(batches)


def open_engine(
    checkpoint: Checkpoint,
    output: Output,
    *,
    engine: str = "auto",
    precision: str = "auto",
    device: str | None = None,
    trust_remote_code: bool = False,
) -> Engine:
    """Load a checkpoint into an engine that gives pooled vectors, token vectors or scores.

    `auto` takes openvino, but torch for a device that is not the cpu, and, saying so once, for an
    architecture that openvino does not know.

    Raises:
        InputError: an engine, precision or device that is not known or not there.
        CheckpointError: an architecture that is not read, or weights that contradict the config.
        MissingExtra: the torch engine without torch or transformers.
    """
    if engine not in ENGINES:
        raise InputError(f"engine={engine!r} is not known; there are {', '.join(ENGINES)}.")
    if checkpoint.static is not None or engine == "static":
        from sememe.engines.static import StaticEngine

        return StaticEngine(checkpoint, output, engine=engine, precision=precision, device=device)
    from sememe.engines.openvino import OpenVinoEngine
    from sememe.engines.openvino.graph import ARCHITECTURES

    kind = checkpoint.config.get("model_type")
    elsewhere = device not in (None, "cpu")
    unknown = engine == "auto" and not elsewhere and kind not in ARCHITECTURES
    if engine == "torch" or unknown or (engine == "auto" and elsewhere):
        asked = f"device={device!r}" if elsewhere else f"engine={engine!r}"
        opens = _torch_engine(f"the architecture {kind!r}" if unknown else asked, device)
        opens = partial(opens, checkpoint, output, trust_remote_code=trust_remote_code)
        opened = ReopeningEngine(opens, precision)
        if unknown:
            warn(
                f'engine="auto" took torch: openvino does not know the architecture {kind!r}. '
                'engine="torch" takes the same without saying so.',
                ChoiceWarning,
                once=True,
            )
        return opened
    if elsewhere:
        raise InputError(f"device={device!r}: the openvino engine computes on the cpu only.")
    # Ranges are kept by the hash of the weights, which takes a moment: only where they may be used.
    ranges = find_ranges(checkpoint.weights.sha256) if precision in ("auto", "int8") else None
    return ReopeningEngine(partial(OpenVinoEngine, checkpoint, output, ranges=ranges), precision)


def _torch_engine(purpose: str, device: str | None) -> Callable[..., Any]:
    """What opens torch engines on one device, the same in every process."""
    with importing("torch", "transformers", purpose=purpose):
        from sememe.engines.torch import TorchEngine
        from sememe.engines.torch.device import choose_device
    return partial(TorchEngine, device=str(choose_device(device)))
