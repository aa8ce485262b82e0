"""Near-duplicates of the same vectors by sememe, sentence-transformers and semhash; the threshold.

    python benchmarks/pairs.py --data DIR [--texts 100000] [--rounds 3] [--only speed|threshold]

DIR is laid out as docs/data.md says. `speed`: captions, encoded once by sememe and kept in a
temporary file; every run is a process of its own, and they take turns. What a system found is
compared with all products of two vectors before its time counts. `threshold`: the suggested one on
labelled pairs, beside fixed ones and the best.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sememe.tables import read_table

Floats = NDArray[np.float32]
Found = set[tuple[int, int]]

_THRESHOLD = 0.8
_LABELLED = {"QQP, dev": "qqp_dev", "Twitter URLs, train": "twitter_url_train"}
_MODEL = "all-MiniLM-L6-v2"


def distinct(data: Path, count: int) -> list[str]:
    columns = read_table(data / "train/caption_triplets_100k.parquet").columns
    texts = list(dict.fromkeys(map(str, [*columns["anchor"], *columns["positive"]])))
    assert len(texts) >= count, f"there are {len(texts):,} different captions"
    return texts[:count]


def encoded(data: Path, count: int) -> Path:
    """The vectors' file; the texts are beside it."""
    file = Path(tempfile.gettempdir()) / f"sememe-captions-{count}.npy"
    if not file.exists():
        from sememe import BiEncoder

        texts = distinct(data, count)
        file.with_suffix(".json").write_text(json.dumps(texts), encoding="utf-8")
        np.save(file, BiEncoder(_MODEL, precision="f32").encode(texts))
    return file


def by_all_products(rows: Floats) -> Found:
    """Nothing is left out: every product by BLAS, those near the threshold once more."""
    found: Found = set()
    for start in range(0, len(rows), 500):
        near = np.argwhere(rows[start : start + 500] @ rows[start:].T >= _THRESHOLD - 1e-3) + start
        first, second = near[near[:, 0] < near[:, 1]].T
        cosine = np.einsum("ij,ij->i", rows[first], rows[second]).round(6)
        kept = cosine >= _THRESHOLD
        found |= set(zip(first[kept].tolist(), second[kept].tolist(), strict=True))
    return found


def sememe(rows: Floats, texts: list[str], _: int) -> Callable[[], Found]:
    from sememe.pairs import find_pairs

    found = find_pairs(texts, vectors=rows, threshold=_THRESHOLD)
    found.deduplicated()
    return lambda: set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def sememe_top(rows: Floats, texts: list[str], count: int) -> Callable[[], Found]:
    from sememe.pairs import find_pairs

    found = find_pairs(texts, vectors=rows, top=count)
    return lambda: set(zip(found.first.tolist(), found.second.tolist(), strict=True))


def sentence_transformers(rows: Floats, _: list[str], count: int) -> Callable[[], Found]:
    import torch
    from sentence_transformers.util import paraphrase_mining_embeddings

    found = paraphrase_mining_embeddings(torch.from_numpy(rows), max_pairs=count)
    return lambda: {(int(i), int(j)) for _, i, j in found}


def semhash(rows: Floats, texts: list[str], _: int) -> Callable[[], Found]:
    from semhash import SemHash

    index = SemHash.from_embeddings(rows, texts, model=None)
    index.self_deduplicate(threshold=_THRESHOLD)

    def pairs() -> Found:
        near = index.index.query_threshold(rows, threshold=_THRESHOLD)
        every = ((i, int(j)) for i, (indices, _) in enumerate(near) for j in indices)
        return {(min(i, j), max(i, j)) for i, j in every if i != j}

    return pairs


SYSTEMS = {
    f"sememe, threshold {_THRESHOLD}, deduplicated": sememe,
    "sememe, top as many": sememe_top,
    "sentence-transformers, paraphrase_mining_embeddings, max_pairs as many": sentence_transformers,
    f"semhash, self_deduplicate({_THRESHOLD})": semhash,
}


def run_here(name: str, file: Path, count: int, keep: Path) -> None:
    """Once, in this process: warmed up on a few rows, so that imports are not timed."""
    rows, texts = np.load(file), json.loads(file.with_suffix(".json").read_text(encoding="utf-8"))
    SYSTEMS[name](rows[:300], texts[:300], 10)
    before = peak()
    started = time.perf_counter()
    pairs = SYSTEMS[name](rows, texts, count)
    seconds = time.perf_counter() - started
    found = {"seconds": seconds, "peak": peak(), "before": before}
    np.save(keep, np.array(sorted(pairs()), np.int32).reshape(-1, 2))
    print(json.dumps(found))


def peak() -> int:
    """Bytes; on Linux not by getrusage, which begins with the peak of the process before exec."""
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":") for line in status.read_text().splitlines())
        return 1024 * int(fields["VmHWM"].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def speed(data: Path, size: int, rounds: int) -> None:
    file = encoded(data, size)
    truth = by_all_products(np.load(file))
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in SYSTEMS}
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        keep = Path(folder) / "pairs.npy"
        command = [sys.executable, "-W", "ignore", __file__, "--data", data, "--texts", size]
        command += ["--keep", keep, "--count", len(truth)]
        for _ in range(rounds):
            for name in SYSTEMS:
                line = [str(part) for part in [*command, "--system", name]]
                ran = subprocess.run(line, capture_output=True, text=True, check=True)
                runs[name].append(json.loads(ran.stdout.splitlines()[-1]))
                found[name] = {(i, j) for i, j in np.load(keep).tolist()}
    ours = next(iter(SYSTEMS))
    assert found[ours] == truth, "sememe missed a pair, or made one up"
    print(f"{size:,} captions, {len(truth):,} pairs of {_THRESHOLD} and above, {rounds} rounds\n")
    print("| how | s, median | least–most | times sememe's | peak MB | before, with vectors "
          "| pairs of all | pairs below |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for name, times in runs.items():
        seconds = [one["seconds"] for one in times]
        ratio = statistics.median(
            a / b["seconds"] for a, b in zip(seconds, runs[ours], strict=True)
        )
        most, before = (max(one[key] for one in times) / 1e6 for key in ("peak", "before"))
        share = len(found[name] & truth) / len(truth)
        print(f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f}–{max(seconds):.1f}"
              f" | {ratio:.2f} | {most:.0f} | {before:.0f} | {share:.4f} | "
              f"{len(found[name] - truth)} |")  # fmt: skip


def threshold(data: Path) -> None:
    from sememe import BiEncoder
    from sememe.neighbors import normalized
    from sememe.pairs.search import suggest_threshold

    encoder = BiEncoder(_MODEL, precision="f32")
    print("| set | texts | threshold | | precision | recall | F1 |\n|---|---|---|---|---|---|---|")
    for name, file in _LABELLED.items():
        columns = read_table(data / f"pairs/{file}.parquet").columns
        same = np.array(columns["label"]) == 1
        texts = list(dict.fromkeys(map(str, [*columns["sentence1"], *columns["sentence2"]])))
        row = {text: i for i, text in enumerate(texts)}
        rows = normalized(encoder.encode(texts))
        ends = [[row[str(text)] for text in columns[f"sentence{side}"]] for side in (1, 2)]
        score = np.einsum("ij,ij->i", rows[ends[0]], rows[ends[1]])
        best = max(np.arange(0.3, 1, 0.01), key=lambda at: measured(score >= at, same)[2])
        for at, what in (
            (suggest_threshold(rows)[0], "suggested"),
            (0.8, ""),
            (0.9, ""),
            (best, "best F1"),
        ):
            figures = " | ".join(f"{figure:.3f}" for figure in measured(score >= at, same))
            print(f"| {name} | {len(texts):,} | {at:.3f} | {what} | {figures} |")


def measured(said: NDArray[np.bool_], same: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Precision, recall, F1."""
    both = float((said & same).sum())
    return both / max(1, said.sum()), both / same.sum(), 2 * both / (said.sum() + same.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("speed", "threshold"))
    for hidden, kind in (("--system", str), ("--keep", Path), ("--count", int)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.system:
        file = encoded(options.data, options.texts)
        run_here(options.system, file, options.count, options.keep)
        return
    if options.only != "threshold":
        speed(options.data, options.texts, options.rounds)
    if options.only != "speed":
        threshold(options.data)


if __name__ == "__main__":
    main()
