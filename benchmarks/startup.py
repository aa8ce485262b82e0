"""Seconds from the first import to the first vector, in fresh processes, in turn.

python benchmarks/startup.py [--rounds 7]
"""

import argparse
import statistics
import subprocess
import sys

from sememe.checkpoint import find

_SEMEME = """
import sememe
vector = sememe.BiEncoder(sys.argv[1], precision="bf16").encode("What is in this file?")
"""
_PEER = """
from sentence_transformers import SentenceTransformer
vector = SentenceTransformer(sys.argv[1], device="cpu").encode("What is in this file?")
"""
_FRAME = """
import sys, time
started = time.perf_counter()
{code}
print(time.perf_counter() - started, *vector[:384])
"""


def first_vector(code: str, model: str) -> tuple[float, list[float]]:
    """The seconds that a fresh process took, and the vector."""
    command = [sys.executable, "-c", _FRAME.format(code=code), model]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, *vector = map(float, printed.split())
    return seconds, vector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    # Both get the same directory; finding it (and checking its hash) is timed in "by name".
    model = str(find("all-MiniLM-L6-v2"))
    ours, named, theirs = [], [], []
    for round_ in range(options.rounds + 1):
        a, vector = first_vector(_SEMEME, model)
        b, _ = first_vector(_SEMEME, "all-MiniLM-L6-v2")
        c, reference = first_vector(_PEER, model)
        cosine = sum(x * y for x, y in zip(vector, reference, strict=True))
        assert cosine > 0.999, f"not the same vector: cosine {cosine}"
        if round_:  # the first fills the disk's cache
            ours.append(a)
            named.append(b)
            theirs.append(c)
    print(f"\n| first vector in a fresh process, median of {options.rounds} | s |\n|---|---|")
    print(f"| sememe, bf16 | {statistics.median(ours):.2f} |")
    print(f"| sememe, bf16, model by name, hash checked | {statistics.median(named):.2f} |")
    print(f"| sentence-transformers | {statistics.median(theirs):.2f} |")
    ratios = [slow / fast for slow, fast in zip(theirs, ours, strict=True)]
    print(f"| ratio, round by round | {statistics.median(ratios):.1f} |")


if __name__ == "__main__":
    main()
