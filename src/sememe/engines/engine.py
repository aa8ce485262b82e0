"""The contract of an engine, batches of token ids in and arrays out; and which one is opened."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from importlib import import_module
from threading import Thread
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from sememe.arguments import one_of
from sememe.checkpoint import Checkpoint
from sememe.checkpoint.modules import Pooling
from sememe.errors import ChoiceWarning, InputError, warn
from sememe.extras import importing
from sememe.processes import PerProcess, native_code
from sememe.text import Batch

Array = npt.NDArray[np.float32]

Output = Pooling | Literal["tokens", "scores"]
"""What an engine gives: a pooled vector a text, all token vectors, or a cross-encoder's logits."""


def output_name(output: Output) -> str:
    """An output's name in files and messages: its poolings joined by +, tokens or scores."""
    return "+".join(output.modes) if isinstance(output, Pooling) else output


class Engine(Protocol):
    """A loaded model. Safe to be run from any number of threads at once.

    A new engine is a class whose arguments are (checkpoint, output, *, precision, device,
    trust_remote_code), which has these attributes and `decisions`, a dict of what it chose among
    its arguments, with which a forked process opens the same engine again; and a line in `ENGINES`.

    Attributes:
        name: openvino, torch or static.
        precision: what it computes in: f32, bf16 or int8.
        streams: how many batches it computes at the same time.
        dim: the size of a vector, or the number of scores.
        budget: tokens of a batch, padding included. The same for every job: how a text is padded
            decides its last bits, and the same texts are to give the same vectors tomorrow.
        identity: changes when the same weights would give other vectors.
    """

    name: str
    precision: str
    streams: int
    dim: int
    budget: int
    identity: list[str]

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches, some ahead of the one that is yielded, in their order.

        Yields float32 (b, dim), or (b, longest, hidden) from an engine of token vectors; no
        value in it depends on the other texts of its batch beyond rounding.
        """
        ...


ENGINES = {
    "openvino": ("sememe.engines.openvino.runtime", "OpenVinoEngine", ("openvino",)),
    "torch": ("sememe.engines.torch.runtime", "TorchEngine", ("torch", "transformers")),
    "static": ("sememe.engines.static", "StaticEngine", ("scipy",)),
}
"""Of each engine its module, its class and the packages it needs; all are imported on use."""


def load_ahead(engine: str) -> None:
    """Import the engine on another core while the checkpoint is being found and hashed."""
    name = "openvino" if engine == "auto" else engine
    if name in ENGINES and name != "static":
        # No daemon: a process that ends in the middle of an import may crash.
        thread = Thread(target=_import, args=(ENGINES[name][0],))
        with suppress(RuntimeError):  # once the main thread has ended, none is started
            thread.start()


def _import(module: str) -> None:
    with suppress(Exception), native_code():  # errors are raised when it is opened
        import_module(module)


class ReopeningEngine:
    """An engine that a forked process opens again, by `make`: none survives a fork.

    Its `decisions`, such as the precision that `auto` took in the first process, are options for
    those after it.
    """

    def __init__(self, make: Callable[..., Any]) -> None:
        options: dict[str, Any] = {}

        def open_again() -> Any:
            with native_code():
                return make(**options)

        self._engine = PerProcess(open_again)
        engine = self._engine()
        options |= engine.decisions
        self.name = engine.name
        self.precision = engine.precision
        self.streams = engine.streams
        self.budget = engine.budget
        self.dim = engine.dim
        self.identity = engine.identity

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        """Compute batches in their order."""
        return self._engine().run(batches)  # type: ignore[no-any-return]


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

    `auto` takes openvino, but torch for a device that is not the cpu, and, with a warning, for an
    architecture that openvino does not know. Errors as `BiEncoder`'s.
    """
    one_of("engine", engine, ("auto", *ENGINES))
    on_cpu = device in (None, "cpu")
    purpose = f"engine={engine!r}" if on_cpu else f"device={device!r}"
    name, is_unknown = engine, False
    if checkpoint.static is not None:
        if engine not in ("auto", "static"):
            raise InputError(
                f"engine={engine!r}: {checkpoint.directory} is a static encoder, a mean of token "
                "vectors in f32; leave engine= out."
            )
        name = "static"
    elif engine == "auto" and not on_cpu:
        name = "torch"
    elif engine == "auto":
        from sememe.engines.openvino.graph import ARCHITECTURES

        kind = checkpoint.config.get("model_type")
        is_unknown = kind not in ARCHITECTURES
        name = "torch" if is_unknown else "openvino"
        if is_unknown:
            purpose = f"the architecture {kind!r}"
    module, class_name, packages = ENGINES[name]
    with importing(*packages, purpose=purpose):
        engine_class = getattr(import_module(module), class_name)
    options = {"precision": precision, "device": device, "trust_remote_code": trust_remote_code}
    opened = ReopeningEngine(partial(engine_class, checkpoint, output, **options))
    if is_unknown:
        warn(
            f'engine="auto" took torch: openvino does not know {purpose}. engine="torch" takes it '
            "without this warning.",
            ChoiceWarning,
            once=True,
        )
    return opened
