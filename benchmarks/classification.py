"""Classifiers on CLINC150: few-shot against SetFit at equal time, fine-tuning against the probe.

    python benchmarks/classification.py --data DIR [--only few|full] [--seeds 3] [--times 1 5]

Few-shot: 8 examples for each of 150 intents, the same for all; accuracy on the 4,500 test texts.
SetFit's own package (pip install setfit) trains as its paper says, cosine loss on pairs, batch 16,
learning rate 2e-5, then a logistic head, for as many steps as fit into the time that ours took:
its rate is measured first, so that its schedule ends where its time does. Its head is a logistic
regression with C=1; to tell the two apart, our probe is fitted to its vectors too. Time is that of
the processor over all threads, which a busy machine stretches less than the clock.
Full: all 15,000 examples. Without the data (docs/data.md) it says what is missing and stops.
"""

import argparse
import importlib.util
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sememe
from sememe.checkpoint import DEFAULT_MODEL
from sememe.checkpoint.find import find
from sememe.classification.training import fit_probe as fit
from sememe.tables import read_table

_EACH = 8
_TIMED = 20
Rows = dict[str, list[str]]


def clinc(data: Path) -> tuple[Rows, Rows]:
    """The texts and labels of train and of test."""
    table = read_table(data / "intent/clinc150.parquet").columns
    names = ("text", "label")

    def part(split: str) -> Rows:
        rows = [i for i, each in enumerate(table["split"]) if each == split]
        return {name: [str(table[name][i]) for i in rows] for name in names}

    return part("train"), part("test")


def few(rows: Rows, seed: int) -> Rows:
    """So many of each label."""
    random, labels = np.random.default_rng(seed), np.array(rows["label"])
    every = [np.flatnonzero(labels == label) for label in sorted(set(rows["label"]))]
    chosen = np.concatenate([random.choice(own, _EACH, replace=False) for own in every])
    return {name: [values[i] for i in chosen] for name, values in rows.items()}


def ours(how: str, train: Rows, test: Rows, seed: int) -> tuple[float, float]:
    """Accuracy x 100, and seconds of training."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.process_time()
        sememe.train_classifier(train, Path(folder) / "c", how=how, dev="none", seed=seed)
        seconds = time.process_time() - started
        found = sememe.Classifier(Path(folder) / "c").predict(test["text"], progress=False)
    return _accuracy(found, test), seconds


def setfit(train: Rows, test: Rows, seed: int, seconds: float) -> list[tuple[float, float]]:
    """The same of SetFit in about so many seconds: with its own head, and with our probe on top."""
    short, long = (_setfit(train, seed, steps)[1] for steps in (_TIMED, 3 * _TIMED))
    each = (long - short) / (2 * _TIMED)  # what is done once is no step's
    model, taken = _setfit(train, seed, max(1, round((seconds - short) / each) + _TIMED))
    own = _accuracy([str(label) for label in model.predict(test["text"])], test)
    vectors, unseen = (
        model.model_body.encode(rows["text"], normalize_embeddings=True) for rows in (train, test)
    )
    labels, targets = np.unique(train["label"], return_inverse=True)
    weight, bias, _ = fit(np.asarray(vectors), targets.astype(np.int32), seed=seed)
    found = labels[(np.asarray(unseen) @ weight.T + bias).argmax(axis=1)]
    return [(own, taken), (_accuracy(found.tolist(), test), taken)]


def _setfit(train: Rows, seed: int, steps: int) -> tuple[Any, float]:
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    model = SetFitModel.from_pretrained(str(find(DEFAULT_MODEL)), device="cpu")
    arguments = TrainingArguments(
        output_dir=tempfile.mkdtemp(), batch_size=16, max_steps=steps, num_iterations=20, seed=seed,
        report_to="none", save_strategy="no", show_progress_bar=False,
    )  # fmt: skip
    trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(train))
    started = time.process_time()
    trainer.train()
    return model, time.process_time() - started


def _accuracy(found: Sequence[str | None], test: Rows) -> float:
    return 100 * float(np.mean(np.array(found) == np.array(test["label"])))


def report_few(train: Rows, test: Rows, seeds: int, times: list[float]) -> None:
    known = importlib.util.find_spec("setfit") is not None
    if not known:
        print("Left out: SetFit (pip install setfit).")
    figures: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        rows = few(train, seed)
        for how in ("probe", "few-shot"):
            figures.setdefault(how, []).append(ours(how, rows, test, seed))
        seconds = figures["few-shot"][-1][1]
        for share in times if known else ():
            both = setfit(rows, test, seed, share * seconds)
            for head, found in zip(("its own head", "our probe behind it"), both, strict=True):
                figures.setdefault(f"SetFit, {share:g} x the time, {head}", []).append(found)
    _print(f"CLINC150, {_EACH} a class, {seeds} seeds", figures)


def report_full(train: Rows, test: Rows, seeds: int) -> None:
    hows = ("probe", "few-shot", "fine-tune")
    figures = {how: [ours(how, train, test, seed) for seed in range(seeds)] for how in hows}
    _print(f"CLINC150, all {len(train['text']):,}, {seeds} seeds", figures)


def _print(title: str, figures: dict[str, list[tuple[float, float]]]) -> None:
    print(f"\n| {title} | accuracy x 100, mean | least–most | processor seconds |")
    print("|---|---|---|---|")
    for how, found in figures.items():
        right, seconds = zip(*found, strict=True)
        span = f"{min(right):.2f}–{max(right):.2f}"
        mean = statistics.mean(right)
        print(f"| {how} | {mean:.2f} | {span} | {statistics.mean(seconds):.0f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", choices=("few", "full"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--times", type=float, nargs="+", default=[1.0], metavar="X",
                        help="SetFit is given so many times our time")  # fmt: skip
    options = parser.parse_args()
    if not (options.data / "intent/clinc150.parquet").is_file():
        print(f"Left out: no intent/clinc150.parquet in {options.data}; see docs/data.md.")
        return
    warnings.simplefilter("ignore", sememe.errors.SememeWarning)
    train, test = clinc(options.data)
    if options.only != "full":
        report_few(train, test, options.seeds, options.times)
    if options.only != "few":
        report_full(train, test, options.seeds)


if __name__ == "__main__":
    main()
