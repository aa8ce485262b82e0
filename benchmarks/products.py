"""What this machine's matrix products reach: the ceiling that an encoder's speed has here."""

import time

import numpy as np

from sememe.checkpoint import Checkpoint
from sememe.engines.openvino.cores import usable_cores
from sememe.engines.openvino.silence import openvino

ops = openvino.opset13
_ROWS, _LAYERS, _RUNS = 1024, 12, 20


def operations_per_token(checkpoint: Checkpoint) -> int:
    """Floating-point operations of a BERT's matrix products with its weights, for one token."""
    config = checkpoint.config
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    return int(config["num_hidden_layers"] * 2 * (4 * hidden * hidden + 2 * hidden * inner))


def product_rate(checkpoint: Checkpoint, precision: str) -> float:
    """Operations a second of products of 1,024 rows over the model's own shapes, on all cores."""
    hidden, inner = checkpoint.config["hidden_size"], checkpoint.config["intermediate_size"]
    chance = np.random.default_rng(0)
    rows = ops.parameter([_ROWS, hidden], np.float32)
    node = rows
    for _ in range(_LAYERS):
        for outside, inside in ((inner, hidden), (hidden, inner)):
            weight = chance.standard_normal((outside, inside), np.float32) / inside**0.5
            node = ops.matmul(node, ops.constant(weight), False, True)
    cores = usable_cores()
    compiled = openvino.Core().compile_model(
        openvino.Model([node], [rows], "products"),
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": precision,
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
        },
    )
    queue = openvino.AsyncInferQueue(compiled, cores)
    fed = chance.standard_normal((_ROWS, hidden), np.float32)
    best = 0.0
    for _ in range(3):
        started = time.perf_counter()
        for _ in range(_RUNS * cores):
            queue.start_async([fed])
        queue.wait_all()
        done = _RUNS * cores * _LAYERS * 2 * 2 * _ROWS * hidden * inner
        best = max(best, done / (time.perf_counter() - started))
    return best
