"""Choose the engine and the precision for a checkpoint on this machine."""

from importlib import import_module
from threading import Thread

from sememe.checkpoint import Checkpoint
from sememe.engines.engine import Engine, Output
from sememe.engines.ranges import find_ranges
from sememe.errors import InputError

ENGINES = ("auto", "openvino", "static")


def load_ahead(engine: str) -> None:
    """Import the engine on another core while the checkpoint is being found and hashed."""
    if engine in ("auto", "openvino"):
        # No daemon: a process that ends in the middle of an import may crash.
        Thread(target=import_module, args=("sememe.engines.openvino",)).start()


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

    Raises:
        InputError: an engine, precision or device that is not known or not there.
        CheckpointError: an architecture that is not read, or weights that contradict the config.
    """
    if engine not in ENGINES:
        raise InputError(f"engine={engine!r} is not known; there are {', '.join(ENGINES)}.")
    if trust_remote_code:
        raise InputError(
            "trust_remote_code=True: this version has no engine that runs a checkpoint's code."
        )
    if checkpoint.static is not None or engine == "static":
        from sememe.engines.static import StaticEngine

        return StaticEngine(checkpoint, output, engine=engine, precision=precision, device=device)
    if device not in (None, "cpu"):
        raise InputError(f"device={device!r}: the openvino engine computes on the cpu only.")
    from sememe.engines.openvino import OpenVinoEngine

    # Ranges are kept by the hash of the weights, which takes a moment: only where they may be used.
    ranges = find_ranges(checkpoint.weights.sha256) if precision in ("auto", "int8") else None
    return OpenVinoEngine(checkpoint, output, precision=precision, ranges=ranges)
