"""How near an encoder comes to what the machine's matrix products reach."""

import statistics
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import openvino
import openvino.opset13 as ops

from peers import Peer
from sememe.engines.openvino.blocks import Node, Product, float_product
from sememe.engines.openvino.int8 import LEVELS, Int8Products
from sememe.engines.openvino.runtime import core
from sememe.engines.processor import usable_cores
from sememe.engines.ranges import InputRange


def operations_per_token(config: Mapping[str, Any]) -> int:
    """Operations of a BERT's matrix products with its weights, for one token."""
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    return int(config["num_hidden_layers"] * 2 * (4 * hidden * hidden + 2 * hidden * inner))


def report_ceiling(ours: list[Peer], tokens: int, config: Mapping[str, Any]) -> None:
    """Print the share of the machine's own rate that each precision reaches, on real tokens."""
    work = tokens * operations_per_token(config)
    print(f"\n{tokens:,} tokens; products of the model's shapes, 1,024 rows, all cores:\n")
    print("| precision | the machine, GFLOP/s | sememe, GFLOP/s | share |\n|---|---|---|---|")
    for peer in ours:
        precision = peer.name.split(", ")[1]
        ceiling = product_rate(precision, config["hidden_size"], config["intermediate_size"], 2)
        reached = work / statistics.median(peer.seconds)
        print(
            f"| {precision} | {ceiling / 1e9:.0f} | {reached / 1e9:.0f} | "
            f"{100 * reached / ceiling:.0f} % |"
        )


def product_rate(
    precision: str, hidden: int, inner: int, seconds: float = 0.5, *, rows: int = 1024
) -> float:
    """Operations a second of matrix products and nothing else, on all cores: the best of three.

    It is the ceiling that an encoder's speed has on this machine.

    Args:
        precision: f32, bf16 or int8.
        hidden: the model's hidden size; products are (rows, hidden) by (hidden, inner) and back.
        inner: its intermediate size.
        seconds: how long each of the three takes at least.
        rows: tokens of a batch.
    """
    random, cores = np.random.default_rng(0), usable_cores()
    shapes = [(inner, hidden), (hidden, inner)] * 6
    low, high = -4.0 * LEVELS / (LEVELS - 2), 4.0  # such that one of the levels is 0
    ranges = {
        str(i): InputRange(np.ones(inside, np.float32), low, high)
        for i, (_, inside) in enumerate(shapes)
    }
    product: Product = Int8Products(ranges) if precision == "int8" else float_product
    parameter = ops.parameter([rows, hidden], np.float32)
    node: Node = parameter
    for i, (outside, inside) in enumerate(shapes):
        weight: Any = random.standard_normal((outside, inside), np.float32) / inside**0.5
        node = product(node, str(i), weight, None)
    hint = "f32" if precision == "int8" else precision
    model = openvino.Model([node], [parameter], "products")
    options = {
        "INFERENCE_PRECISION_HINT": hint,
        "NUM_STREAMS": cores,
        "INFERENCE_NUM_THREADS": cores,
        "ENABLE_CPU_PINNING": True,
    }
    compiled = core().compile_model(model, "CPU", options)
    queue = openvino.AsyncInferQueue(compiled, cores)
    batch = random.standard_normal((rows, hidden), np.float32)
    best = 0.0
    for _ in range(3):
        started, batches = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            for _ in range(2 * cores):
                queue.start_async([batch])
            queue.wait_all()
            batches += 2 * cores
        operations = batches * len(shapes) * 2 * rows * hidden * inner
        best = max(best, operations / (time.perf_counter() - started))
    return best
