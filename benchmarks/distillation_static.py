"""Static students beside those of other tools, of the same teacher and the same texts."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import sememe
from distillation_measures import FIGURES, distilled, fields, four, plain, table, unlabelled
from sememe.checkpoint import DEFAULT_MODEL
from sememe.errors import SememeError

KINDS = ("mixed", "foreign")
_AT_ONCE = 2000  # texts whose token vectors are in memory


def static_students(options: argparse.Namespace) -> None:
    """Those of mixed and of foreign texts, model2vec's, Tokenlearn's and WordLlama."""
    data = options.data
    teacher = sememe.BiEncoder(DEFAULT_MODEL, precision=options.precision)
    texts = {kind: partial(unlabelled, data, foreign=kind == "foreign") for kind in KINDS}
    students = {"WordLlama 256": Path("wordllama")}
    for kind in KINDS:
        for seed in options.seeds:
            students[f"sememe, {kind} texts, seed {seed}"] = distilled(
                options, f"static-{kind}-{seed}", texts[kind],
                teacher=teacher, how="static", seed=seed,
            )  # fmt: skip
    try:
        students["model2vec.distill"] = _model2vec(teacher, options.keep / "model2vec")
        for kind in KINDS:
            folder = options.keep / f"tokenlearn-{kind}"
            students[f"Tokenlearn, {kind} texts"] = _tokenlearn(teacher, texts[kind], folder)
    except ImportError as error:
        print(f"<!-- left out: {error} -->")
    table("model", *FIGURES)
    reference = four(plain(teacher), data)
    fields(f"teacher, {teacher.precision}", reference, reference)
    for name, folder in students.items():
        try:
            student = sememe.StaticEncoder(folder)
        except SememeError as error:
            print(f"<!-- {name} is left out: {error} -->")
            continue
        fields(name, four(plain(student), data), reference)
    print()


def _model2vec(teacher: Any, folder: Path) -> Path:
    from model2vec.distill import distill

    if not folder.is_dir():
        distill(str(teacher._checkpoint.directory), device="cpu").save_pretrained(folder)
    return folder


def _tokenlearn(teacher: Any, texts: Any, folder: Path) -> Path:
    """As its `train` command has it: words of the texts as vocabulary, means of tokens to learn."""
    from model2vec.distill import distill
    from tokenlearn.train import train_model
    from tokenlearn.utils import create_vocab

    if not folder.is_dir():
        sentences = texts()
        means = np.concatenate(
            [
                np.stack(
                    [
                        vectors[1:-1].mean(axis=0) if len(vectors) > 2 else vectors.mean(axis=0)
                        for vectors in teacher.encode_tokens(
                            sentences[start : start + _AT_ONCE], progress=False
                        )
                    ]
                )
                for start in range(0, len(sentences), _AT_ONCE)
            ]
        )
        start = distill(
            str(teacher._checkpoint.directory), vocabulary=create_vocab(sentences),
            device="cpu", pca_dims=256, quantize_to="float32",
        )  # fmt: skip
        # It keeps the last texts to stop by, so they are shuffled.
        order = np.random.default_rng(0).permutation(len(sentences))
        model = train_model(start, [sentences[i] for i in order], means[order])
        model.save_pretrained(folder)
    return folder
