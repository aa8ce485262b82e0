"""Time and peak memory of encode, neighbours and clusters as the number of texts grows.

    python benchmarks/scale.py [--sizes 10000 30000 100000 300000] [--million]

Every stage of every size runs in a process of its own, so that its peak memory is its own. Texts
are made of examples/opinions.csv. The recall of the neighbours is printed beside their time.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from texts import many_texts

_NEIGHBOURS = 15


def encode(count: int, file: Path) -> dict[str, Any]:
    from sememe import BiEncoder

    encoder = BiEncoder("all-MiniLM-L6-v2", precision="int8")
    started = time.perf_counter()
    encoder.encode_to(many_texts(count), file, progress=False)
    return {"seconds": time.perf_counter() - started}


def neighbours(_: int, file: Path) -> dict[str, Any]:
    from sememe.neighbors import self_join

    rows = np.load(file)
    started = time.perf_counter()
    found = self_join(rows, _NEIGHBOURS)
    return {"seconds": time.perf_counter() - started, "recall": found.recall}


def clusters(count: int, file: Path) -> dict[str, Any]:
    from sememe.clustering import cluster

    rows, texts = np.load(file), list(many_texts(count))
    started = time.perf_counter()
    found = cluster(texts, vectors=rows)
    return {"seconds": time.perf_counter() - started, "clusters": len(found)}


STAGES = {"encode": encode, "neighbours": neighbours, "clusters": clusters}


def measured(stage: str, count: int, file: Path) -> dict[str, Any]:
    """Run one stage in a fresh process."""
    command = [sys.executable, __file__, "--stage", stage, "--count", str(count)]
    command += ["--file", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found


def run_stage(stage: str, count: int, file: Path) -> None:
    found = STAGES[stage](count, file)
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    print(json.dumps({**found, "peak": peak}))


def report(sizes: list[int]) -> None:
    print("| texts | stage | s | peak MB | |\n|---|---|---|---|---|")
    seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            file = Path(folder) / f"{count}.npy"
            for stage in STAGES:
                found = measured(stage, count, file)
                seconds[stage].append(found["seconds"])
                said = {"neighbours": "recall {recall:.3f}", "clusters": "{clusters} clusters"}
                note = said.get(stage, "").format(**found)
                print(
                    f"| {count:,} | {stage} | {found['seconds']:.1f} | {found['peak'] / 1e6:.0f} | "
                    f"{note} |",
                    flush=True,
                )
            file.unlink()
    print("\n| stage | time grows as n to the power |\n|---|---|")
    for stage, taken in seconds.items():
        exponent = np.polyfit(np.log(sizes), np.log(taken), 1)[0]
        print(f"| {stage} | {exponent:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 30_000, 100_000, 300_000])
    parser.add_argument("--million", action="store_true", help="and 1,000,000")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        run_stage(options.stage, options.count, options.file)
    else:
        report([*options.sizes, *([1_000_000] if options.million else [])])


if __name__ == "__main__":
    main()
