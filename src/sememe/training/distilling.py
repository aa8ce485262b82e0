"""Distil: a teacher's judgement in a student's vectors, from texts alone.

From a cross-encoder: the map that a cascade fits to its scores becomes part of the student's own
checkpoint, or the student is trained. From an encoder, or from vectors made elsewhere: a static
student, a vector a token, in closed form; or a transformer, trained. All are judged on texts that
taught nothing, and on labels where there are some.
"""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sememe.arguments import one_of, shown, whole_number
from sememe.checkpoint import DEFAULT_MODEL
from sememe.checkpoint.write import check_target, new_folder
from sememe.costs import Budget, duration
from sememe.data import Data, load
from sememe.encoders import BiEncoder
from sememe.encoders.opening import as_encoder
from sememe.encoders.quantization import quantize
from sememe.errors import InputError, SememeError
from sememe.evaluation.outcome import (
    ON_REQUEST,
    Choice,
    Outcome,
    report_choices,
    saving_explained,
    write_outcome,
)
from sememe.jobs import Job
from sememe.protocols import Encoder, Scorer
from sememe.text import check_texts
from sememe.training import lessons
from sememe.training.lessons import Floats, Student, Task
from sememe.training.proposals import pools
from sememe.training.static_student import fit_static
from sememe.training.teachers import check_dim, identity, open_teacher

HOWS = {
    "map": "scores", "tune": "scores", "static": "vectors", "layers": "vectors",
    "vectors": "vectors",
}  # fmt: skip
"""The ways, and what a teacher must give for each."""

_TIME = "10min"
_CALIBRATED = 1000  # texts on which int8 ranges are measured
_WORDS = ("by the student", "before it was taught", "what you had")

Teacher = Encoder | Scorer | str | os.PathLike[str] | Floats
StrPath = str | os.PathLike[str]


def distill(
    texts: Sequence[str],
    output: StrPath,
    *,
    teacher: Teacher | Sequence[Teacher],
    queries: Sequence[str] | None = None,
    student: BiEncoder | StrPath | None = None,
    how: str = "auto",
    layers: int | None = None,
    dim: int | None = None,
    budget: Budget | str | int | None = None,
    dev: Data | None = None,
    seed: int = 0,
    progress: bool | None = None,
) -> Outcome:
    """Give a student a teacher's judgement, from texts without labels.

    A tenth of the texts, 2,000 at the most, teaches nothing: on pairs of these the student's
    cosines are compared with the teacher's judgement, beside those of the student before.
    Interrupted, the same call resumes where it stopped.

    Args:
        texts: at least 200 different ones, such as the student will read; or, with `queries`, the
            corpus of a search, of 20 documents or more.
        output: a new or empty folder for the student, which `BiEncoder` and sentence-transformers
            open; distillation.html and distillation.json there say how good it is.
        teacher: a cross-encoder or anything with `.score(pairs)`; a bi-encoder or anything with
            `.encode(texts)`; the name of either; vectors, float (n, size), a row a text, or a file
            of them (x.npy, or x.parquet with a column `vector`); or a list of cross-encoders, whose
            logits are averaged, or of encoders, whose vectors are joined.
        queries: of a search, at least 200 different ones, if a cross-encoder that reads a query and
            a document teaches. Their nearest documents, those with the same words and some at
            random are scored. The student reads both with its prompts, and what is held out is a
            tenth of the queries.
        student: the bi-encoder that learns, or whose tokens a static student has. None for the
            teacher, where it has layers and tokens, else all-MiniLM-L6-v2.
        how: "map", from a cross-encoder: the student, and a Dense module behind it that moves its
            vectors (docs/cascade.md has the method; its trust in the teacher decides whether there
            is a student at all). "tune", from a cross-encoder: the student itself is trained, in
            rounds. "static", from vectors: a mean of token vectors, hundreds of times as fast as a
            transformer, by least squares. "layers", from vectors: some of the student's layers,
            trained; "vectors": all of them. "auto" goes by the teacher and the other options.
        layers: how many layers "layers" keeps; None for half of them.
        dim: the size of the student's vectors; None is the teacher's.
        budget: of a cross-encoder, how many pairs it may read: "3n" (three for each text or, if
            there are queries, for each of these), a number, a time, or "all" (None: "3n", to tune
            or with queries "20n"); of vectors, how long training may take (None: "10min").
        dev: labelled data (see `sememe.data.load`) by which student and teacher are judged too.
        seed: of which texts are held out, and of training.
        progress: as everywhere.

    Returns:
        Outcome: its `verdict`; figures `before` and `after`, with 95 % intervals, and their paired
        `comparison`: on `dev`, or else Spearman's correlation with the teacher.

    Raises:
        InputError: too few texts, a teacher that cannot teach (it gives NaN, a constant, or is not
            trusted), an option that does not fit; nothing is written.
        JobError: the student or what it is made of cannot be written, as on a full disk.
        MissingExtra: "tune", "layers" or "vectors" without torch.

    Example:
        >>> done = distill(texts, "my-student", teacher="my-cross-encoder")   # doctest: +SKIP
        >>> print(done.verdict)                                               # doctest: +SKIP
        Better: Spearman with the teacher 81.2 (79.0 to 83.1) by the student, 70.3 (67.6 to 72.8) …
    """
    began = time.monotonic()
    one_of("how", how, ("auto", *HOWS))
    target = check_target(output)
    taught_by = _name(teacher)
    texts, source = check_texts(texts), open_teacher(teacher)
    corpus, kind = None, "texts"
    if queries is not None:
        corpus, texts, kind = texts, check_texts(queries, name="queries"), "queries"
    choice = _way(how, source, student, layers, dim)
    way = choice.value
    if dim is not None:
        check_dim(whole_number("dim", dim), getattr(source, "dim", dim))
        if HOWS[way] == "scores":
            raise InputError(f"dim={dim}: how={way!r} keeps the student's size; leave dim= out.")
    if queries is not None and HOWS[way] != "scores":
        raise InputError(
            f"queries= is for a cross-encoder, and how={way!r} learns vectors: put the queries "
            "among the texts."
        )
    allowed, budget_choice = _budget(budget, way, is_search=queries is not None)
    rows = lessons.split(texts, seed, kind)
    why = ON_REQUEST
    if student is None:
        student, why = DEFAULT_MODEL, "the default"
        if isinstance(source, BiEncoder):
            student, why = source, "the teacher itself"
    encoder = _checked(as_encoder(student), way)
    choices = [choice, Choice("student", _name(encoder), why)]
    if way != "static":
        choices.append(budget_choice)
    if way == "layers":
        half = max(2, encoder._checkpoint.layers // 2)
        why = ON_REQUEST if layers is not None else "half of the student's"
        layers = half if layers is None else layers
        choices.append(Choice("layers", layers, why))
    gold = None if dev is None else load(dev)
    examiner, vouched = (None, False) if gold is None else lessons.teacher_on(gold, source, encoder)
    facts = {
        "texts": _digest(texts), "corpus": None if corpus is None else _digest(corpus),
        "how": way, "teacher": identity(source), "student": encoder.fingerprint,
        "budget": str(allowed), "layers": layers, "dim": dim, "seed": seed,
    }  # fmt: skip
    report_choices(choices)
    work = target.with_name(f"{target.name}.distilling")
    with _working(work, facts) as job:
        task = Task(texts, rows, source, encoder, job, allowed, seed, progress, corpus)
        if way == "map":
            result = _map(task)
        elif way == "static":
            result = fit_static(task, dim)
        else:
            from sememe.training import regress, tune  # on use: torch comes with them

            tuned = way == "tune"
            result = tune(task, vouched=vouched) if tuned else regress(task, layers, dim)
        report_choices(result.choices)
        choices += result.choices
        with saving_explained(target, work), new_folder(target) as folder:
            result.write(folder)
            options = encoder._arguments if way == "map" else task.opening
            learned = BiEncoder(folder, **({} if way == "static" else {**options, "pooling": None}))
            firsts, lasts = (
                lessons.figures(result.exam, gold, each) for each in (result.before, learned)
            )
            further = lasts[1:]
            if examiner is not None:
                further.append(replace(examiner, metric=f"the teacher's {examiner.metric}"))
                choices.append(lessons.praise(examiner, lasts[0], "the student after"))
            choices.append(lessons.speed(learned, source, task.held))
            if way in ("tune", "layers", "vectors"):
                choices.append(_int8(folder, task.texts))
            size = sum(path.stat().st_size for path in folder.rglob("*"))
            spent = duration(time.monotonic() - began)
            choices += [
                Choice("size", f"{size / 1e6:.1f} MB", "on disk"),
                Choice("time", spent, "from the start to this report"),
            ]
            outcome = Outcome(
                target, f"{_name(encoder)}, taught by {taught_by} from {len(rows[0]):,} {kind}",
                choices, result.precision, result.history, firsts[0], lasts[0],
                tuple(further), _WORDS, "held out" if gold is None else f"of {gold.name}",
                tuple(firsts[1:]),
            )  # fmt: skip
            write_outcome(outcome, folder, "distillation")
    shutil.rmtree(work, ignore_errors=True)
    return outcome


def _name(model: Any) -> str:
    """A model, a file or an object as a title calls it."""
    if isinstance(model, list | tuple):
        return " and ".join(map(_name, model))
    if not isinstance(model, str | os.PathLike):
        model = getattr(model, "model", type(model).__name__)
    return Path(str(model)).name


@contextmanager
def _working(folder: Path, facts: dict[str, Any]) -> Iterator[Job]:
    """A folder from which an interrupted call resumes; what is refused leaves none behind."""
    try:
        with Job.opened(folder, "distill", facts) as job:
            yield job
    except InputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _way(how: str, teacher: Any, student: Any, layers: int | None, dim: int | None) -> Choice:
    """How to distil, and why."""
    gives = "scores" if callable(getattr(teacher, "score", None)) else "vectors"
    if how == "auto":
        if layers is not None:
            choice = Choice("how", "layers", ON_REQUEST)
        elif gives == "scores":
            choice = Choice("how", "map", "the teacher gives scores")
        elif student is not None:
            choice = Choice("how", "vectors", "the teacher gives vectors, and there is a student")
        else:
            choice = Choice("how", "static", "the teacher gives vectors, and no student is named")
    else:
        choice = Choice("how", how, ON_REQUEST)
    if HOWS[choice.value] != gives:
        fitting = {"scores": "a cross-encoder", "vectors": "a bi-encoder, or vectors"}
        raise InputError(
            f"how={choice.value!r} learns from {HOWS[choice.value]}, and this teacher gives "
            f"{gives}: give {fitting[HOWS[choice.value]]}."
        )
    if choice.value == "vectors" and student is None and dim is None:
        raise InputError("how='vectors' trains a student that you name: give student= too.")
    if layers is not None and choice.value != "layers":
        raise InputError(f"layers={layers} is for how='layers', and this is {choice.value!r}.")
    return choice


def _budget(budget: Any, way: str, *, is_search: bool) -> tuple[Budget, Choice]:
    """What is allowed, and as a choice."""
    if way == "static" and budget is not None:
        raise InputError(
            f"budget={shown(budget)}: how='static' has no steps to limit; leave it out."
        )
    reads = HOWS[way] == "scores"
    default = ("3n" if way == "map" and not is_search else "20n") if reads else _TIME
    why = "the default" if budget is None else ON_REQUEST
    budget = default if budget is None else budget
    allowed = Budget.parse(budget)
    if not reads and not allowed.seconds:
        raise InputError(
            f"budget={shown(budget)}: a teacher of vectors scores no pairs; give the time that "
            f"training may take, such as {_TIME!r}."
        )
    return allowed, Choice("budget", budget, why)


def _checked(student: Any, way: str) -> BiEncoder:
    """The student, if it is one that can learn."""
    if not isinstance(student, BiEncoder):
        raise InputError(f"student={shown(student)} is no BiEncoder, whose checkpoint is needed.")
    if way != "static" and (student.engine == "static" or student._checkpoint.truncate_dim):
        raise InputError(
            f"{student.model} is static, or cuts its vectors: nothing can be put behind it. Give a "
            "transformer whose vectors are whole."
        )
    return student


def _digest(texts: list[str]) -> str:
    return sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()


def _int8(folder: Path, texts: list[str]) -> Choice:
    """Measure the int8 ranges of new weights; that they cannot be is no reason to lose these."""
    some = texts[:: -(-len(texts) // _CALIBRATED)]
    try:
        fidelity = quantize(folder, texts=some, source="texts that taught it")[0].fidelity
    except (SememeError, OSError) as error:
        return Choice("int8", "not measured", str(error))
    return Choice("int8", "measured", f"{fidelity} with float32, on {fidelity.texts} texts")


def _map(task: Task) -> Student:
    """The student's own checkpoint with the cascade's map behind it."""
    pool, held = pools(task)
    budget = task.budget if task.budget.seconds else Budget(pairs=pool.count(task.budget))
    cascade = pool.taught(task, budget)
    linear_map = cascade.map
    if linear_map is None:
        raise lessons.no_student(
            cascade.report,
            "Give a larger budget or another teacher; or labelled data (dev=, --dev), which may "
            "vouch for it with how='tune' (--tune).",
        )
    return Student(
        task.student,
        lessons.trust_choices(cascade.report, "yes", cascade.report.pairs, cascade.report.seconds),
        lambda folder: lessons.write_map(task.checkpoint, folder, linear_map),
        held.exam(task),
    )
