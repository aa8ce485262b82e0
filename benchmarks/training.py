"""Training against sentence-transformers' trainer: same data, steps, batch, learning rate, seeds.

    python benchmarks/training.py --data DIR [--only speed|sts|nli|memory] [--seeds 3] [--rounds 3]

Before anything is timed, one step of both from the same weights, without dropout and in float32, is
shown to lead to the same model. Quality: all-MiniLM-L6-v2 on all of STS-B train, 4 epochs, batch
16, CoSENT at 2e-5 (cross-encoder: BCE at 5e-5), and one epoch of multiple negatives on NLI
triplets, batch 64, rows that overlap an STS test set left out; Spearman x 100 on STS-B test.
Without the data (docs/data.md) it says what is missing and stops.
"""

import argparse
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr

from peers import Peer, interleave, report
from sememe.checkpoint import DEFAULT_MODEL, Scoring, read
from sememe.checkpoint.find import find
from sememe.data import load
from sememe.tables import read_table
from sememe.training.losses import BI, CROSS
from sememe.training.settings import TrainingSettings
from sememe.training.towers import BiTower, CrossTower
from sememe.training.trainer import Objective, Trainer

_STEPS = 60
_COLUMNS = {"nli": ("anchor", "positive", "negative")}
_SCORED = ("sentence1", "sentence2", "score")
_RATES = {"bi": 2e-5, "cross": 5e-5, "nli": 2e-5}

Rows = list[tuple[Any, ...]]


class Ours:
    """A tower in training."""

    def __init__(self, task: str, precision: str = "auto", *, dropout: bool = True) -> None:
        checkpoint, self._precision = read(DEFAULT_MODEL), precision
        self.task, cross = task, task == "cross"
        scoring = Scoring(("score",), "sigmoid")
        self.tower = CrossTower(checkpoint, scoring) if cross else BiTower(checkpoint)
        if not dropout:
            _without_dropout(self.tower)

    def train(self, rows: Rows, batch_size: int, epochs: float, seed: int, warmup: float) -> None:
        names = _COLUMNS.get(self.task, _SCORED)
        examples = load(dict(zip(names, zip(*rows, strict=True), strict=True)))
        loss = {"bi": BI["cosent"], "cross": CROSS["bce"], "nli": BI["ranking"]}[self.task].loss()
        settings = TrainingSettings(
            epochs=epochs, batch_size=batch_size, learning_rate=_RATES[self.task], seed=seed,
            warmup=warmup, weight_decay=0, precision=self._precision, device="cpu",
        )  # fmt: skip
        Trainer(self.tower, [Objective(examples, loss)], settings).run(progress=False)

    def scores(self, pairs: list[tuple[str, str]]) -> npt.NDArray[np.float32]:
        if self.task == "cross":
            return self.tower.encode(pairs)[:, 0]
        return np.asarray(_cosines(self.tower.encode, pairs))


class Theirs:
    """sentence-transformers' trainer, as it comes but for what is said."""

    def __init__(self, task: str, precision: str = "f32", *, dropout: bool = True) -> None:
        import sentence_transformers as st

        base, self.task, self._bf16 = str(find(DEFAULT_MODEL)), task, precision == "bf16"
        if task == "cross":
            self.model: Any = st.CrossEncoder(base, num_labels=1, device="cpu")
        else:
            self.model = st.SentenceTransformer(base, device="cpu")
        if not dropout:
            _without_dropout(self.model)

    def train(self, rows: Rows, batch_size: int, epochs: float, seed: int, warmup: float) -> None:
        import sentence_transformers as st
        from datasets import Dataset
        from sentence_transformers.cross_encoder import losses as cross_losses
        from sentence_transformers.sentence_transformer import losses as bi_losses

        names = _COLUMNS.get(self.task, _SCORED)
        data = Dataset.from_dict(dict(zip(names, zip(*rows, strict=True), strict=True)))
        options = {
            "output_dir": tempfile.mkdtemp(), "num_train_epochs": epochs, "seed": seed,
            "per_device_train_batch_size": batch_size, "learning_rate": _RATES[self.task],
            "warmup_steps": warmup, "report_to": [], "save_strategy": "no", "disable_tqdm": True,
            "use_cpu": True, "bf16": self._bf16, "logging_strategy": "no",
        }  # fmt: skip
        if self.task == "cross":
            loss: Any = cross_losses.BinaryCrossEntropyLoss(self.model)
            arguments: Any = st.CrossEncoderTrainingArguments(**options)
            trainer: Any = st.CrossEncoderTrainer
        else:
            kinds = {"bi": bi_losses.CoSENTLoss, "nli": bi_losses.MultipleNegativesRankingLoss}
            loss = kinds[self.task](self.model)
            arguments = st.SentenceTransformerTrainingArguments(**options)
            trainer = st.SentenceTransformerTrainer
        trainer(model=self.model, args=arguments, train_dataset=data, loss=loss).train()

    def scores(self, pairs: list[tuple[str, str]]) -> npt.NDArray[np.float32]:
        if self.task == "cross":
            return np.asarray(self.model.predict(pairs, show_progress_bar=False))
        return np.asarray(_cosines(lambda texts: self.model.encode(list(texts)), pairs))


def _cosines(encode: Callable[[Any], Any], pairs: list[tuple[str, str]]) -> Any:
    first, second = (encode(column) for column in zip(*pairs, strict=True))
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(1) / lengths


def _without_dropout(model: Any) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        elif hasattr(module, "dropout_prob"):
            module.dropout_prob = 0.0


def sts(data: Path, split: str) -> Rows:
    table = read_table(data / "sts/stsb.parquet").columns
    found = zip(table["split"], table["sentence1"], table["sentence2"], table["score"], strict=True)
    return [(a, b, float(str(score)) / 5) for part, a, b, score in found if part == split]


def nli(data: Path) -> Rows:
    table = read_table(data / "nli/nli_triplets.parquet").columns
    rows = zip(*(table[name] for name in (*_COLUMNS["nli"], "overlaps_sts")), strict=True)
    return [row[:3] for row in rows if not row[3]]


def check(data: Path) -> None:
    """One step of both, from the same weights, leads to the same model."""
    rows = sts(data, "train")[:16]
    pairs = [(a, b) for a, b, _ in sts(data, "test")[:200]]
    for task in ("bi", "cross"):
        ours, theirs = Ours(task, "f32", dropout=False), Theirs(task, dropout=False)
        if task == "cross":
            _same_head(ours, theirs)
        found = []
        for system in (ours, theirs):
            before = _outputs(system, pairs)
            system.train(rows, 16, 1, 0, 0.0)
            found.append(_outputs(system, pairs) - before)
        moved, apart = np.abs(found[1]).max(), np.abs(found[0] - found[1]).max()
        print(f"One step of the {task}-encoder moves outputs by up to {moved:.4f}, ", end="")
        print(f"the two trainers' by {apart:.1e} apart.")
        if not apart < 0.05 * moved:
            sys.exit("The two trainers do not do the same work.")
    print()


def _same_head(ours: Ours, theirs: Theirs) -> None:
    own = dict(ours.tower.named_parameters())
    heads = {n: p for n, p in theirs.model.named_parameters() if ".classifier." in n}
    with torch.no_grad():
        for name, weights in heads.items():
            (mine,) = (p for n, p in own.items() if n.endswith(name[name.index(".classifier.") :]))
            mine.copy_(weights)


def _outputs(system: Ours | Theirs, pairs: list[tuple[str, str]]) -> npt.NDArray[np.float32]:
    """Cosines, or scores behind a sigmoid, which ours come without."""
    scores = system.scores(pairs)
    if system.task == "cross" and isinstance(system, Ours):
        return np.asarray(1 / (1 + np.exp(-scores)), np.float32)
    return scores


def trained(system: Callable[..., Any], task: str, precision: str, _: str) -> Callable[[Rows], Any]:
    """A system in a `Peer`'s process."""
    made = system(task, precision)

    def train(rows: Rows) -> Any:
        made.train(rows, 16, 1, 0, 0.1)
        return np.zeros(0)

    return train


def speed(data: Path, rounds: int) -> None:
    rows = sts(data, "train")[: 16 * _STEPS]
    systems = {
        "sememe": (Ours, "auto"),
        "sentence-transformers, as it comes": (Theirs, "f32"),
        "sentence-transformers, bf16=True": (Theirs, "bf16"),
    }
    for task, what in (("bi", "bi-encoder, CoSENT"), ("cross", "cross-encoder, BCE")):
        peers = [
            Peer(name, partial(trained, system, task, precision), DEFAULT_MODEL)
            for name, (system, precision) in systems.items()
        ]
        for peer in peers:
            peer.encode(rows[:64])
        interleave(peers, rows, rounds)
        print(f"Training throughput, {what}, batch 16, {_STEPS} steps of STS-B a round\n")
        report(peers, peers[:1], len(rows), "samples")
        for peer in peers:
            peer.close()


def quality(data: Path, task: str, seeds: int, who: str) -> None:
    test = sts(data, "test")
    rows, batch, epochs = (nli(data), 64, 1) if task == "nli" else (sts(data, "train"), 16, 4)
    systems: dict[str, Any] = {"sememe": Ours, "sentence-transformers": Theirs}
    for name, system in systems.items():
        if who not in ("both", name):
            continue
        found, began = [], time.perf_counter()
        for seed in range(seeds):
            torch.manual_seed(seed)  # of a new head
            trained = system(task)
            trained.train(rows, batch, epochs, seed, 0.1)
            scores = trained.scores([(a, b) for a, b, _ in test])
            found.append(100 * float(spearmanr(scores, [row[2] for row in test])[0]))
        listed = ", ".join(f"{value:.2f}" for value in found)
        seconds = (time.perf_counter() - began) / seeds
        mean = statistics.mean(found)
        print(f"| {task} | {name} | {mean:.2f} | {listed} | {seconds:.0f} s |", flush=True)


def peak_memory(data: Path, size: int) -> int:
    """Bytes at the most, in this process, of two steps of multiple negatives."""
    table = read_table(data / "train/caption_triplets_100k.parquet").columns
    rows = list(zip(*(table[name][: 2 * size] for name in _COLUMNS["nli"]), strict=True))
    Ours("nli").train(rows, size, 1, 0, 0.1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("speed", "sts", "nli", "memory"))
    parser.add_argument(
        "--who", choices=("both", "sememe", "sentence-transformers"), default="both"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not (options.data / "sts/stsb.parquet").is_file():
        sys.exit(f"There is no {options.data / 'sts/stsb.parquet'}; docs/data.md says what it is.")
    warnings.simplefilter("ignore")
    wanted = (options.only,) if options.only else ("speed", "memory", "sts", "nli")
    if "speed" in wanted:
        check(options.data)
        speed(options.data, options.rounds)
    if "memory" in wanted:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            peak = pool.apply(peak_memory, (options.data, 4096))
        print(f"Multiple negatives, batch 4096 triplets: peak {peak / 2**30:.2f} GiB\n")
    if {"sts", "nli"} & set(wanted):
        print("| trained | by | Spearman x 100, mean | by seed | a run |\n|---|---|---|---|---|")
        for task in {"sts": ("bi", "cross"), "nli": ("nli",)}.items():
            if task[0] in wanted:
                for name in task[1]:
                    quality(options.data, name, options.seeds, options.who)


if __name__ == "__main__":
    main()
