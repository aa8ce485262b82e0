"""A classifier from labelled texts: the probe first, then what costs more, if it is better."""

import os
import shutil
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sememe.arguments import one_of
from sememe.checkpoint import DEFAULT_MODEL, Checkpoint, read
from sememe.checkpoint.write import check_target
from sememe.classification.classifier import Floats, Head, save
from sememe.classification.tuning import Tuned, tuned, work_folder
from sememe.data import Data, Examples, hold_out, load, split
from sememe.data.reading import Roles
from sememe.encoders import BiEncoder
from sememe.errors import ChoiceWarning, InputError, warn
from sememe.evaluation.measures import Measurement, label_details
from sememe.evaluation.metrics import macro_f1
from sememe.evaluation.outcome import (
    ON_REQUEST,
    Choice,
    History,
    Outcome,
    report_choices,
    saving_explained,
    write_outcome,
)
from sememe.extras import importing

HOWS = ("auto", "probe", "few-shot", "fine-tune")
_LEAST_TO_CHOOSE = 10
"""Fewer examples held out than these show no difference: one half chooses, one half judges."""
_FEW = 64
"""Up to so many examples a label auto tries few-shot, and beyond fine-tuning."""

_UNFINISHED = "unfinished.txt"
"""Beside a probe that can be used while something better is tried, and is replaced by it."""

_CS = [0.1, 1.0, 10.0, 100.0]
_DEFAULT_C = 10.0
"""Of vectors of length 1, where cross-validation cannot tell."""
_FOLDS, _MOST_IN_FOLDS, _ITERATIONS = 5, 5000, 1000
_LARGE = 10**9
"""Examples, dimensions and labels, multiplied: worth several threads."""


def train_classifier(
    data: Data,
    output: str | os.PathLike[str],
    *,
    how: str = "auto",
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    columns: Roles = None,
    dev: Data | None = None,
    epochs: float | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    seed: int = 0,
    device: str | None = None,
    progress: bool | None = None,
) -> Outcome:
    """Train a classifier, and say how often it is right about texts that it has not seen.

    Args:
        data: with the columns text and label; see `sememe.data.load`.
        output: a new or empty folder for the classifier, which `Classifier` opens. It holds the
            probe while anything else is tried, so that you can stop at any time.
        how: "probe", a logistic regression on the encoder's vectors as they are (seconds, no
            torch); "few-shot", the same after the encoder has learned by contrast which texts
            belong together; "fine-tune", encoder and layer together by cross-entropy; "auto", the
            probe, unless few-shot (or fine-tune, of many examples) is shown to be better: one half
            of the examples to measure on chooses, and the figures are of the other.
        model: where to start from: a bi-encoder, a regular transformer or, for the probe, a static
            encoder.
        columns: which column is what, such as {"text": "question", "label": "intent"}, where their
            names do not say it.
        dev: examples to measure on, as `data`; None holds out a fifth, 2,000 at the most; "none"
            measures nothing, and learns from all.
        epochs: how often few-shot and fine-tune see each text; None chooses, as all that follow.
        batch_size: examples a step.
        learning_rate: the highest.
        seed: everything random comes of it.
        device: as `BiEncoder`'s.
        progress: as everywhere.

    Returns:
        Outcome: its `verdict`, the accuracies `before` and `after` with 95 % intervals, and their
        paired `comparison`. What few-shot and fine-tune are measured against is the probe; the
        probe, against always saying the most frequent label.

    Raises:
        TableError, InputError: data that cannot be used (where, and what to do), or an option.
        JobError: a run that was begun otherwise, or a disk that is full.
        MissingExtra: without scikit-learn, or torch where it is needed.

    Example:
        >>> done = train_classifier("tickets.csv", "my-classifier")   # doctest: +SKIP
        >>> print(done.verdict)                                       # doctest: +SKIP
        Better: accuracy 93.8 (91.2 to 96.2) by few-shot, 90.4 (87.1 to 93.8) by the probe, …
    """
    from sememe.training.settings import TrainingSettings

    one_of("how", how, HOWS)
    options: dict[str, Any] = {
        "epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed,
        "device": device,
    }  # fmt: skip
    settings = TrainingSettings(
        **{name: value for name, value in options.items() if value is not None}
    )
    options = {name: value and getattr(settings, name) for name, value in options.items()}
    target = Path(output).resolve()
    if not (target / _UNFINISHED).is_file():
        check_target(target)
    checkpoint, loaded = read(model), load(data, columns=columns)
    if loaded.kind != "labelled texts":
        raise InputError(
            f"{loaded.name} holds {loaded.kind}; a classifier learns from the columns text, label."
        )
    if checkpoint.static and how in ("few-shot", "fine-tune"):
        raise InputError(
            f"{checkpoint.name} is a static encoder: it has no transformer that could learn. Use "
            "--how probe."
        )
    examples, held = hold_out(loaded, dev, settings.seed, columns)
    run = _Run(checkpoint, examples, held, target, {**options, "progress": progress})
    way, why = (how, ON_REQUEST) if how != "auto" else run.worth_trying()
    probe = run.probe(checkpoint)
    report_choices([Choice("how", way, why), *probe.choices])
    if way == "probe":
        return run.saved(probe, probe)
    if not (target / _UNFINISHED).is_file() or not work_folder(target).is_dir():
        run.saved(probe, probe, then=way)
    usable = f"the probe in {output} can be used"
    warn(f"{way} follows. If you stop it, {usable}, and the same call resumes.", ChoiceWarning)
    try:
        with tuned(way, checkpoint, examples, probe.head, run.options, target) as result:
            learned = run.learned(way, result)
            if how != "auto" or held is None:
                return run.saved(learned, probe)
            # What chooses looks better than it is on what it was chosen with.
            judged, choosing = split(held, len(held) // 2, settings.seed)
            trial = replace(run, held=choosing).outcome(learned, probe)
            run = replace(run, held=judged, sample="held out, by which nothing was chosen")
            best = learned if trial.better else probe
            report_choices([Choice("how", best.head.how, f"{way} was tried; {trial.verdict}")])
            return run.saved(best, probe)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"{usable}; the same call resumes {way}") from None


@dataclass(frozen=True)
class _Learned:
    """A classifier that is not saved yet, and how it came about."""

    encoder: BiEncoder
    head: Head
    choices: list[Choice]
    history: History
    precision: str

    def places(self, examples: Examples) -> Any:
        """The most probable label of each example, by its place: int64 (n,)."""
        return self.head.probabilities(self.encoder.encode(_texts(examples))).argmax(axis=1)


@dataclass(frozen=True)
class _Run:
    checkpoint: Checkpoint
    examples: Examples
    held: Examples | None
    target: Path
    options: dict[str, Any]
    sample: str = "held out"

    def worth_trying(self) -> tuple[str, str]:
        """What auto compares with the probe, or the probe, and why."""
        if self.held is None:
            return "probe", "nothing is held out to show that anything else is better"
        if len(self.held) < _LEAST_TO_CHOOSE:
            few = f"{len(self.held)} examples are held out, too few to show"
            return "probe", f"{few} that anything else is better"
        if self.checkpoint.static:
            return "probe", "a static encoder has no transformer that could learn"
        try:
            from sememe.training import Trainer  # noqa: F401
        except ImportError as error:
            return "probe", str(error)
        each = len(self.examples) / len(self.examples.labels)
        how = "few-shot" if each <= _FEW else "fine-tune"
        return how, f"about {each:.0f} examples a label; kept if it is better than the probe"

    def probe(self, checkpoint: Checkpoint) -> _Learned:
        encoder, labels = self.opened(checkpoint), self.examples.labels
        vectors, targets = encoder.encode(_texts(self.examples)), np.asarray(self.examples.targets)
        if missing := set(range(len(labels))) - {*targets.tolist()}:
            raise InputError(
                f"{self.examples.name}: all examples of {labels[min(missing)]!r} would be held "
                "out; add other texts with this label, or give --dev FILE."
            )
        weight, bias, c = fit_probe(vectors, targets, seed=self.options["seed"])
        choices = [Choice("C", c, "of the probe, by cross-validation")]
        head = Head(labels, "probe", weight, bias)
        return _Learned(encoder, head, choices, History(), encoder.precision)

    def opened(self, checkpoint: Checkpoint) -> BiEncoder:
        """A checkpoint's encoder, a regular transformer's with its mean."""
        pooling = "mean" if checkpoint.kind == "regular transformer" else None
        return BiEncoder(checkpoint.name, device=self.options["device"], pooling=pooling)

    def learned(self, how: str, result: Tuned) -> _Learned:
        """An encoder that was tuned with its layer; of few-shot, with a probe on its vectors."""
        checkpoint, facts = read(result.folder), (result.choices, result.history, result.precision)
        if result.layer is None:
            probe = self.probe(checkpoint)
            return _Learned(probe.encoder, replace(probe.head, how=how), *facts)
        head = Head(self.examples.labels, how, *result.layer)
        return _Learned(self.opened(checkpoint), head, *facts)

    def saved(self, learned: _Learned, probe: _Learned, then: str = "") -> Outcome:
        """The outcome, which is saved with the classifier, both or neither."""
        outcome = self.outcome(learned, probe)
        with (
            saving_explained(self.target, work_folder(self.target)),
            save(learned.encoder, learned.head, self.target) as folder,
        ):
            write_outcome(outcome, folder)
            if then:
                (folder / _UNFINISHED).write_text(f"{then} follows; the same call resumes it.\n")
            if (self.target / _UNFINISHED).is_file():
                shutil.rmtree(self.target)
        return outcome

    def outcome(self, learned: _Learned, probe: _Learned) -> Outcome:
        """Its accuracy against the probe's; the probe's, against the most frequent label."""
        title = f"{self.checkpoint.name} on {self.examples.name}, {learned.head.how}"
        facts = self.target, title, learned.choices, learned.precision, learned.history
        if self.held is None:
            return Outcome(*facts, None, None)
        gold, predicted = np.asarray(self.held.targets), learned.places(self.held)
        if learned is probe:
            most_frequent = np.bincount(np.asarray(self.examples.targets)).argmax()
            before = np.full(len(gold), most_frequent)
            words = "by the probe", "by saying the most frequent label", "to that label"
        else:
            before = probe.places(self.held)
            words = f"by {learned.head.how}", "by the probe", "the probe"
        first, last = (
            Measurement("accuracy", np.mean, details.merits, details=details)
            for details in (
                label_details(self.held, gold, places) for places in (before, predicted)
            )
        )
        further = (Measurement("macro F1", macro_f1, predicted, (gold,)),)
        return Outcome(*facts, first, last, further, words, self.sample)


def _texts(examples: Examples) -> list[str]:
    return [example.texts[0] for example in examples]


def fit_probe(
    vectors: Floats, targets: npt.NDArray[np.int32], *, seed: int = 0
) -> tuple[Floats, Floats, float]:
    """Logistic regression on vectors that stay as they are (Alain & Bengio, 2016).

    Vectors (n, dim) and places among the labels give weight (labels, dim), bias (labels,) and C,
    the inverse of the penalty on large weights: the one whose probabilities of the true labels are
    best in cross-validation. Every label has an example. MissingExtra without scikit-learn.
    """
    with importing("sklearn", purpose="training a classifier"):
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits
    # On products as small as most, threads of BLAS wait for each other longer than they work: 15
    # times as long where other programs run.
    threads = 1 if vectors.size * (targets.max() + 1) < _LARGE else None
    with warnings.catch_warnings(), threadpool_limits(threads, "blas"):
        warnings.simplefilter("ignore", UserWarning)  # that many labels look like numbers
        c = _best_c(vectors, targets, seed)
        model = LogisticRegression(C=c, max_iter=_ITERATIONS).fit(vectors, targets)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # of two labels scikit-learn keeps the difference
        weight, bias = np.vstack([0 * weight, weight]), np.append(0 * bias, bias)
    return np.asarray(weight, np.float32), np.asarray(bias, np.float32), c


def _best_c(vectors: Floats, targets: npt.NDArray[np.int32], seed: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    rows = np.random.default_rng(seed).permutation(len(targets))[:_MOST_IN_FOLDS]
    # A label with one example is either not learned or not tested.
    rows = rows[np.bincount(targets[rows])[targets[rows]] > 1]
    counts = np.unique(targets[rows], return_counts=True)[1]
    if len(counts) < 2:
        return _DEFAULT_C
    folds = StratifiedKFold(min(_FOLDS, counts.min()), shuffle=True, random_state=seed)
    vectors, targets, losses = vectors[rows], targets[rows], np.zeros(len(_CS))
    for learned, judged in folds.split(vectors, targets):
        # Each C begins where the one before ended: half the time of four from scratch.
        model = LogisticRegression(max_iter=_ITERATIONS, warm_start=True)
        for i, c in enumerate(_CS):
            model.set_params(C=c).fit(vectors[learned], targets[learned])
            found = model.predict_proba(vectors[judged])
            places = np.searchsorted(model.classes_, targets[judged])[:, None]
            true = np.take_along_axis(found, places, axis=1)
            losses[i] -= np.log(np.maximum(true, np.finfo(true.dtype).eps)).mean()
    return _CS[losses.argmin()]
