"""Distilling in closed form: students that other libraries open, judged on texts held out."""

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from commands import sememe
from sememe import BiEncoder, Index, distill
from sememe.cascade import teach
from sememe.errors import ChoiceWarning, InputError, StoreError
from sememe.neighbors import normalized, self_join
from sememe.neighbors.communities import neighborhood_size
from sememe.tables import read_table, write_table
from sememe.training.lessons import cosines_of, exam
from sememe.training.static_student import fit_tokens, principal_axes, student_vectors
from sememe.training.teachers import open_teacher
from tiny_models import WORDS, Tiny

pytestmark = [
    pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning"),
    pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning"),
]
STATIC = {"how": "static"}
OPINIONS = Path(__file__).parents[2] / "examples" / "opinions.csv"


def made_texts(count: int = 300) -> list[str]:
    """Different texts of the tiny checkpoints' words."""
    random, words = np.random.default_rng(0), [word for word in WORDS.split() if word.islower()]
    return [" ".join(random.choice(words, random.integers(3, 9))) for _ in range(count)]


class Scores:
    """A teacher of one rule."""

    def __init__(self, rule: Callable[[str, str], float]) -> None:
        self.rule = rule

    def score(self, pairs: Sequence[tuple[str, str]]) -> Any:
        return np.array([self.rule(*pair) for pair in pairs], np.float32)


class Words:
    """A teacher of vectors: each word has one, drawn at random, and a text has their mean."""

    def __init__(self) -> None:
        random = np.random.default_rng(1)
        self.vectors = {word: random.normal(size=24) for word in sorted({*WORDS.split()})}

    def encode(self, texts: list[str]) -> Any:
        return normalized(
            [np.sum([self.vectors[word] for word in text.split()], 0) for text in texts]
        )


class Short(Words):
    """Gives a vector too few."""

    def encode(self, texts: list[str]) -> Any:
        return super().encode(texts)[1:]


@pytest.fixture(scope="module")
def static(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static") / "student"
    done = distill(made_texts(), folder, teacher=Words(), student=tiny.directory, how="static")
    assert done.better, done.verdict
    return folder


@pytest.mark.slow
def test_a_static_student_is_the_same_in_three_libraries(static: Path) -> None:
    from model2vec import StaticModel
    from sentence_transformers import SentenceTransformer

    texts = [
        "the wind plant is cheap",
        "cars",
        "a zebra likes 42 wines!",
        "日本 and wind",
        "the " * 90,
    ]
    ours = BiEncoder(static).encode(texts)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-6)
    assert np.allclose(ours, StaticModel.from_pretrained(str(static)).encode(texts), atol=1e-6)
    theirs = SentenceTransformer(str(static), device="cpu").encode(texts)
    assert np.allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize(("is_terminal", "units"), [(True, [" tokens", " rounds"]), (False, [])])
def test_a_static_student_shows_what_takes_long_on_a_terminal(
    is_terminal: bool,
    units: list[str],
    tiny: Tiny,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sememe.progress.is_terminal", lambda _: is_terminal)
    monkeypatch.setattr("sememe.progress._SHOWN_FROM", 1)
    distill(made_texts(), tmp_path / "s", teacher=Words(), student=tiny.directory, how="static")
    shown = capfd.readouterr().err
    assert [unit for unit in (" tokens", " rounds") if unit in shown] == units


def test_a_static_student_agrees_with_its_teacher_on_texts_it_has_not_seen(
    static: Path,
) -> None:
    seen = set(made_texts())
    texts = [text for text in made_texts(600)[300:] if text not in seen]
    teacher, student = Words().encode(texts), BiEncoder(static).encode(texts)
    written = json.loads((static / "distillation.json").read_text())
    assert written["after"]["low"] > written["before"]["high"]
    assert {"how", "dim", "size", "time"} <= {choice["name"] for choice in written["choices"]}
    assert "Better" in (static / "distillation.html").read_text()
    cosines = [(rows[1:] * rows[:-1]).sum(1) for rows in (teacher, student)]
    assert np.corrcoef(cosines)[0, 1] > 0.9


@pytest.mark.slow
def test_vectors_made_elsewhere_teach_and_the_size_can_be_cut(tiny: Tiny, tmp_path: Path) -> None:
    texts = made_texts()
    np.save(tmp_path / "vectors.npy", Words().encode(texts))
    (tmp_path / "texts.txt").write_text("\n".join(texts), "utf-8")
    output = tmp_path / "student"
    done = sememe(
        "distill", tmp_path / "texts.txt", "--teacher", tmp_path / "vectors.npy", "--student",
        tiny.directory, "--static", "--dim", 8, "-o", output, "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["better"]
    assert "Better: Spearman with the teacher" in done.stderr
    assert BiEncoder(output).dim == 8


def test_the_queries_column_is_guessed_or_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[Any] = []

    def stop(_: object, queries: list[str], **__: object) -> None:
        passed.append(queries)
        raise InputError("enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sememe.distill", stop)
    Path("texts.txt").write_text("a\n", encoding="utf-8")
    write_table("q.csv", {"document": ["x", "y"], "question": ["who?", " "], "Words": ["p", "q"]})
    write_table("other.csv", {"day": ["1", "2"], "words": ["p", "q"]})
    line = ("distill", "texts.txt", "-o", "out", "--queries")
    done = sememe(*line, "q.csv")
    assert 'q.csv: 1 of 2 cells of "question" is blank (line 3) and left out' in done.stderr
    sememe(*line, "q.csv", "--query-column", "words")
    assert passed == [["who?"], ["p", "q"]]
    message = sememe(*line, "other.csv").stderr
    assert 'has the columns "day", "words", and none' in message
    assert message.endswith("say which to read with --query-column NAME\n")
    alone = sememe(*line[:-1], "--query-column", "words")
    assert "--query-column is for --queries FILE" in alone.stderr


@pytest.mark.slow
def test_queries_need_a_cross_encoder(tmp_path: Path) -> None:
    texts = made_texts()
    np.save(tmp_path / "vectors.npy", Words().encode(texts))
    for name in ("corpus.txt", "queries.txt"):
        (tmp_path / name).write_text("\n".join(texts), "utf-8")
    done = sememe(
        "distill", tmp_path / "corpus.txt", "--queries", tmp_path / "queries.txt", "--teacher",
        tmp_path / "vectors.npy", "-o", tmp_path / "student",
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "--queries is for a cross-encoder, and --static learns vectors" in done.stderr
    assert not (tmp_path / "student").exists()


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 12), st.integers(1, 6))
def test_tokens_are_fitted_as_by_a_dense_least_squares(seed: int, tokens: int, dim: int) -> None:
    """Round by round, the closed form written out with dense matrices."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 3, (40, tokens)).astype(np.float32)
    x = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    start = random.normal(size=(tokens, dim)).astype(np.float32)
    y = normalized(random.normal(size=(40, dim)))
    p = x @ start
    gram = p.T @ p
    table = start @ np.linalg.solve(gram + 1e-3 * np.trace(gram) / dim * np.eye(dim), p.T @ y)
    lengths = np.ones(40)
    for _ in range(2):
        rest = lengths[:, None] * y - x @ table
        change = np.linalg.solve(x.T @ x + 0.03 * np.eye(tokens), x.T @ rest)
        lengths = np.maximum(((x @ (table + change)) * y).sum(1), 0.3)
        lengths /= np.sqrt(np.mean(lengths**2))
    assert np.allclose(fit_tokens(csr_array(x), start, y), table + change, atol=2e-2)


def test_principal_axes_keep_the_cosines_that_they_can() -> None:
    random = np.random.default_rng(0)
    vectors = normalized(random.normal(size=(50, 3)) @ random.normal(size=(3, 10)))
    cut = vectors @ principal_axes(vectors, 3)
    assert np.allclose(cut @ cut.T, vectors @ vectors.T, atol=1e-5)
    empty = student_vectors(csr_array(np.zeros((1, 4), np.float32)), np.ones((4, 2), np.float32))
    assert (empty == 0).all()


@pytest.mark.slow
def test_a_cross_encoders_map_becomes_part_of_the_checkpoint(
    default_encoder: BiEncoder, tmp_path: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    table = read_table(OPINIONS)
    texts, topics = table.text_column("text")[::3], table.column("topic")[::3]
    topic_of = dict(zip(texts, topics, strict=True))
    teacher = Scores(lambda one, other: 3.0 if topic_of[one] == topic_of[other] else -3.0)
    done = distill(
        texts, tmp_path / "student", teacher=teacher, student=default_encoder, budget="2n"
    )
    assert done.after is not None
    assert done.before is not None
    assert done.after.value > done.before.value

    new = ["Nuclear power is dangerous!", "Schools should start later."]
    student = BiEncoder(tmp_path / "student", precision="f32").encode(new)
    theirs = SentenceTransformer(str(tmp_path / "student"), device="cpu").encode(new)
    assert np.allclose(student, theirs, atol=1e-5)

    held = round(0.1 * len(texts))
    rows = np.sort(np.random.default_rng(0).permutation(len(texts))[held:])
    lessons = [texts[row] for row in rows]
    vectors = default_encoder.encode(lessons)
    neighbors = self_join(vectors, neighborhood_size(len(vectors)))
    cascade = teach(lessons, vectors, neighbors, teacher, "2n")
    assert cascade.map is not None
    moved = cascade.map.move(default_encoder.encode(new))
    assert np.allclose(student, moved, atol=1e-5)

    with Index.create(tmp_path / "plain", default_encoder) as index:
        index.add(new)
        index.reindex(BiEncoder(tmp_path / "student", precision="f32"))
        [first, second] = index.search(new[0])
    assert [first.text, second.text] == new
    assert second.score == pytest.approx(float(moved[0] @ moved[1]), abs=1e-5)
    with pytest.raises(StoreError, match="their vectors cannot be compared"):
        Index.open(tmp_path / "plain", default_encoder)


def test_a_teacher_that_is_not_trusted_has_no_student(tiny: Tiny, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    teacher = Scores(lambda *_: float(random.normal()))
    with pytest.raises(InputError, match=r"There is no student\. Not trusted"):
        distill(made_texts(), tmp_path / "s", teacher=teacher, student=tiny.directory)
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": ["one", "two"] * 200}, "at least 200 different texts, .* there are 2"),
        ({"teacher": np.ones((299, 4))}, "the teacher has 299 vectors, and there are 300 texts"),
        ({"teacher": np.full((300, 4), np.nan)}, "row 0 of the teacher's vectors has a value"),
        ({"teacher": [np.ones((300, 4))] * 2}, "join them into one array"),
        ({"teacher": np.ones((300, 4))}, "gives every text the same vector"),
        ({"teacher": Short()}, "gave 299 vectors for 300 texts"),
        ({"teacher": 42}, "teacher=42 gives neither scores nor vectors"),
        ({"teacher": BiEncoder}, "gives neither scores nor vectors"),
        ({"teacher": Scores(lambda *_: float("nan"))}, "gave nan for the pair"),
        ({"teacher": Scores(lambda *_: 1.0)}, "the same score"),
        ({"how": "map"}, "learns from scores, and this teacher gives vectors"),
        ({"how": "tune"}, "give a cross-encoder"),
        ({"teacher": Scores(lambda *_: 1.0), "layers": 2}, "this teacher gives scores: give a bi"),
        ({"how": "other"}, "how"),
        ({"teacher": Scores(lambda *_: 1.0), "dim": 8}, "keeps the student's size"),
        (
            {"teacher": Scores(lambda *_: 1.0), "budget": 60},
            "fewer than 100 pairs .* larger",
        ),
        ({"budget": "3n", "how": "layers"}, "give the time that training may take"),
        ({"budget": "1min"}, "how='static' has no steps to limit"),
        ({"layers": 2, "how": "static"}, "layers=2 is for how='layers'"),
        ({"layers": 1, "how": "layers"}, "layers=1: give a whole number from 2 to 2"),
        ({"how": "vectors", "student": None}, "give student= too"),
        ({"teacher": "none.npy"}, "there is no file none.npy"),
        ({"dim": 64}, "the teacher's vectors have 32 components"),
        ({"dim": 0}, "dim"),
    ],
)
def test_what_cannot_be_distilled_is_one_clear_line(
    tiny: Tiny, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    arguments = {"texts": made_texts(), "teacher": tiny.directory, "student": tiny.directory}
    arguments |= {} if "how" in options or hasattr(options.get("teacher"), "score") else STATIC
    with warnings.catch_warnings(), pytest.raises(InputError, match=message) as caught:
        distill(output=tmp_path / "s", **{**arguments, **options})
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_layers_that_nobody_asked_for_have_a_reason(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.warns(ChoiceWarning, match=r"layers 2 \(half of the student's\)"):
        distill(made_texts(), tmp_path / "s", teacher=tiny.directory, how="layers", budget="1s")


def test_no_pair_of_the_exam_counts_twice() -> None:
    vectors = normalized(np.random.default_rng(0).normal(size=(20, 4)))
    texts = [str(row) for row in range(20)]
    for queries in (0, 8):
        made = exam(texts, vectors, cosines_of(vectors), queries)
        pairs = [frozenset(each.texts) for each in made]
        assert len(pairs) == len({*pairs}) > 30
        if queries:
            assert all(len(pair & {*texts[:8]}) == 1 for pair in pairs)


def test_a_file_that_holds_no_vectors_is_named(tmp_path: Path) -> None:
    files = {
        name: tmp_path / name for name in ("text.npy", "flat.npy", "gap.parquet", "no.parquet")
    }
    files["text.npy"].write_text("hello")
    np.save(files["flat.npy"], np.ones(5))
    write_table(files["gap.parquet"], {"vector": [[1.0, 2.0], None, [3.0, 4.0]]})
    write_table(files["no.parquet"], {"embedding": [[1.0, 2.0]]})
    messages = ["as numpy.save writes", "have shape", "no vector in row 1", 'no column "vector"']
    for file, message in zip(files.values(), messages, strict=True):
        with pytest.raises(ValueError, match=message) as caught:
            open_teacher(file)
        assert str(file) in str(caught.value)


def test_an_output_that_is_there_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        distill(made_texts(), tmp_path / "s", teacher=tiny.directory, student=tiny.directory)
