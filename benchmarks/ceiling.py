"""How near an encoder comes to what the machine's matrix products reach."""

import statistics
from collections.abc import Mapping
from typing import Any

from peers import Peer
from sememe.engines.openvino.runtime import product_rate


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
