"""Hard negatives against a search of every text by hand; what may be an answer is never one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import sememe
from commands import sememe as command
from sememe.data import load
from sememe.errors import CostWarning, InputError, SememeWarning
from sememe.tables import read_table, write_table
from sememe.training import mining
from tiny_models import Tiny

CORPUS = [f"text {i}" for i in range(60)]
PAIRS = {
    "query": [f"query {i // 2}" for i in range(16)],
    "document": [f"text {3 * i}" for i in range(14)] + ["elsewhere 1", "elsewhere 2"],
}


class Drawn:
    """A direction for each text, drawn by its name; queries lean towards their answers."""

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        return np.stack([self.vector(text) for text in texts])

    def vector(self, text: str) -> NDArray[np.float32]:
        drawn = np.random.default_rng([*text.encode()]).normal(size=8).astype(np.float32)
        drawn /= np.linalg.norm(drawn)
        answers = [d for q, d in zip(*PAIRS.values(), strict=True) if q == text]
        for answer in answers:
            drawn = drawn + self.vector(answer)
        return drawn / np.float32(np.linalg.norm(drawn))


class Lengths:
    """Scores that are known: the shorter the number behind the word, the better."""

    def __init__(self) -> None:
        self.scored: list[tuple[str, str]] = []

    def score(self, pairs: Any) -> NDArray[np.float64]:
        self.scored += pairs
        return np.array([1 - int(document.split()[1]) / 100 for _, document in pairs])


def by_hand(
    count: int, first: int, last: int, margin: float, same: float, pairs: Any = PAIRS
) -> list[tuple[str, ...]]:
    """The rows, from all texts one by one."""

    def cosine(a: str, b: str) -> float:
        return float(ENCODER.vector(a) @ ENCODER.vector(b))

    rows = []
    for query, answer in zip(*pairs.values(), strict=True):
        answers = [d for q, d in zip(*pairs.values(), strict=True) if q == query]
        others = [text for text in CORPUS if text not in answers]
        others.sort(key=lambda text: -cosine(query, text))
        limit = cosine(query, answer) - margin * abs(cosine(query, answer))
        negatives = [
            text
            for text in others[first - 1 : last]
            if cosine(query, text) <= limit and cosine(answer, text) < same
        ]
        if len(negatives) >= count:
            rows.append((query, answer, *negatives[:count]))
    return rows


ENCODER = Drawn()


def rows_of(table: dict[str, list[Any]], width: int) -> list[tuple[Any, ...]]:
    return [*zip(*list(table.values())[:width], strict=True)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
@pytest.mark.parametrize(
    ("count", "first", "last", "margin", "same"),
    [(1, 1, 100, 0.05, 0.95), (3, 1, 20, 0, 2), (2, 4, 9, 0.3, 0.5), (1, 30, 40, 0.0, 0.2)],
)
def test_negatives_are_those_of_a_search_by_hand(
    monkeypatch: pytest.MonkeyPatch, count: int, first: int, last: int, margin: float, same: float
) -> None:
    expected = by_hand(count, first, last, margin, same)
    assert expected
    for block in (4096, 3):  # queries searched at once
        monkeypatch.setattr(mining, "_QUERIES", block)
        table = sememe.mine_negatives(
            PAIRS, CORPUS, ENCODER, negatives=count, ranks=(first, last), margin=margin,
            same=None if same > 1 else same,
        )  # fmt: skip
        assert rows_of(table, 2 + count) == expected
    names = ["anchor", "positive", "negative", "negative_2", "negative_3"]
    assert list(table) == names[: 2 + count]


def test_what_comes_out_is_trained_on() -> None:
    table = sememe.mine_negatives(PAIRS, CORPUS, ENCODER, margin=0, same=None, scores=True)
    assert load(table).kind == "taught triplets"
    for query, answer, negative, to_answer, to_negative in rows_of(table, 5):
        vectors = ENCODER.encode([query, answer, negative])
        assert [to_answer, to_negative] == pytest.approx(vectors[1:] @ vectors[0], abs=1e-6)
        assert to_negative <= to_answer


@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
def test_no_answer_of_a_query_nor_the_query_is_a_negative() -> None:
    pairs = {"anchor": ["text 1"] * 4, "positive": ["text 2", "text 3", "text 4", "text 5"]}
    corpus = [*CORPUS[:9], *CORPUS[:9], " "]
    with pytest.warns(sememe.errors.BlankWarning, match=r"1 of 19 texts is blank .*no negative"):
        table = sememe.mine_negatives(pairs, corpus, ENCODER, ranks=(1, 4), margin=0, same=None)
    assert {*table["negative"]} < {"text 0", "text 6", "text 7", "text 8"}


@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
def test_a_cross_encoder_tells_answers_from_negatives_and_scores_no_pair_twice() -> None:
    scorer = Lengths()
    with pytest.warns(CostWarning, match="The cross-encoder scores about 42 pairs, and more"):
        table = sememe.mine_negatives(
            {name: values[:14] for name, values in PAIRS.items()}, CORPUS, ENCODER, negatives=2,
            ranks=(1, 12), margin=0.1, same=None, cross=scorer, scores=True,
        )  # fmt: skip
    assert len(scorer.scored) == len({*scorer.scored})
    for row in rows_of(table, 7):
        query, answer, first, second, *scores = row
        expected = [1 - int(text.split()[1]) / 100 for text in (answer, first, second)]
        assert scores == pytest.approx(expected)
        assert max(scores[1:]) <= scores[0] * 0.9
        cosines = ENCODER.encode(CORPUS) @ ENCODER.vector(query)
        answers = [d for q, d in zip(*PAIRS.values(), strict=True) if q == query]
        near = [CORPUS[i] for i in np.argsort(-cosines) if CORPUS[i] not in answers][:12]
        good = [text for text in near if 1 - int(text.split()[1]) / 100 <= scores[0] * 0.9]
        assert [first, second] == good[:2]


def test_pairs_without_enough_negatives_are_left_out_and_counted() -> None:
    rows = by_hand(4, 1, 5, 0.4, 0.95)
    assert 0 < len(rows) < 16
    with pytest.warns(SememeWarning, match=f"too few negatives: {16 - len(rows)} of 16 pairs"):
        table = sememe.mine_negatives(PAIRS, CORPUS, ENCODER, negatives=4, ranks=(1, 5), margin=0.4)
    assert rows_of(table, 6) == rows


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": 0}, "negatives=0: give a whole number of at least 1"),
        ({"ranks": (3, 2)}, r"ranks=\(3, 2\): give as many ranks as negatives, . here"),
        (
            {"ranks": (1, 2), "negatives": 3},
            r"ranks=\(1, 2\): give as many ranks as negatives, . here",
        ),
        ({"ranks": 5}, "ranks=5: give the first and the last, such as"),
        ({"margin": -1}, "margin=-1: give a number of at least 0"),
        ({"same": 2}, "same=2: give a number"),
        ({"scores": 1}, "scores=1: give True or False"),
        ({"margin": 9}, "No pair has 1 negative: give a larger corpus"),
        ({"corpus": [""]}, "The corpus has no text"),
        ({"encoder": 5}, "encoder=5 is no encoder"),
        ({"cross": 5}, "cross=5 scores no pairs"),
        ({"pairs": {"text": [*"abcd"], "label": [*"xxyy"]}}, "the data holds labelled texts; neg"),
    ],
)
@pytest.mark.filterwarnings("ignore::sememe.errors.SememeWarning")
def test_bad_options_are_one_line(options: dict[str, Any], message: str) -> None:
    arguments = {"pairs": PAIRS, "corpus": CORPUS, "encoder": ENCODER, **options}
    with pytest.raises(InputError, match=message):
        sememe.mine_negatives(**arguments)


def test_scores_that_are_not_one_a_pair_are_refused() -> None:
    class Labels:
        def score(self, pairs: Any) -> NDArray[np.float64]:
            return np.zeros((len(pairs), 3))

    with (
        pytest.warns(CostWarning),
        pytest.raises(InputError, match="must give one finite number for each"),
    ):
        sememe.mine_negatives(PAIRS, CORPUS, ENCODER, cross=Labels())


@pytest.mark.slow
def test_the_command_writes_triplets_that_train(tiny: Tiny, tmp_path: Path) -> None:
    questions = [f"nuclear power {word}" for word in ("wind", "solar", "bus", "train", "school")]
    answers = [f"clean energy {word}" for word in ("plant", "waste", "car", "road", "book")]
    write_table(tmp_path / "faq.csv", {"q": questions, "a": answers})
    (tmp_path / "corpus.txt").write_text("\n".join([*answers, "a film", "the price", "good food"]))
    line = ["--columns", "anchor=q,positive=a", "--model", tiny.directory, "--precision", "f32"]
    line += ["--margin", 0, "--same", 1, "--json", "-o", tmp_path / "triplets.parquet"]
    done = command("mine", tmp_path / "faq.csv", "--corpus", tmp_path / "corpus.txt", *line)
    assert done.returncode == 0, done.stderr
    columns = read_table(tmp_path / "triplets.parquet").columns
    encoder = sememe.BiEncoder(tiny.directory, precision="f32")
    assert '"rows": ' in done.stdout
    assert not (tmp_path / "triplets.parquet.mining").exists()
    for query, answer, negative in zip(*columns.values(), strict=True):
        assert negative != answer
        # With their prompts, as a search would have them.
        vectors = encoder.encode_document([str(answer), str(negative)])
        similarity = vectors @ encoder.encode_query(str(query))
        assert similarity[1] <= similarity[0]
    done = command("mine", tmp_path / "faq.csv", "--corpus", tmp_path / "corpus.txt", "-o", "x.csv")
    assert done.returncode == 2
    assert 'faq.csv has the columns "q", "a"' in done.stderr


class Stopping(Drawn):
    """An encoder whose process ends when it comes to a text."""

    def __init__(self, last: str) -> None:
        self.last, self.encoded = last, 0

    def encode(self, texts: Iterable[str]) -> NDArray[np.float32]:
        texts = list(texts)
        if self.last in texts:
            raise KeyboardInterrupt
        self.encoded += len(texts)
        return super().encode(texts)


def test_interrupted_it_resumes_with_the_vectors_it_has(tmp_path: Path) -> None:
    stopped, resumed, work = Stopping("query 0"), Stopping(""), tmp_path / "work"
    with pytest.raises(KeyboardInterrupt):
        sememe.mine_negatives(PAIRS, CORPUS, stopped, work=work)
    mined = sememe.mine_negatives(PAIRS, CORPUS, resumed, work=work)
    queries = len({*PAIRS["query"]})
    assert (stopped.encoded, resumed.encoded) == (len({*CORPUS, *PAIRS["document"]}), queries)
    assert mined == sememe.mine_negatives(PAIRS, CORPUS, Drawn())
    unused = Stopping("query 0")
    assert mined == sememe.mine_negatives(PAIRS, CORPUS, unused, work=work), "until it is deleted"
    assert unused.encoded == 0


@pytest.mark.filterwarnings("ignore::sememe.errors.CostWarning")
def test_a_cross_encoders_scores_outlive_an_interruption(tmp_path: Path) -> None:
    class Named(Lengths):
        fingerprint = str(tmp_path)  # another one in every run

    first, again = Named(), Named()
    options: dict[str, Any] = {"negatives": 2, "margin": 0.2}
    mined = sememe.mine_negatives(PAIRS, CORPUS, ENCODER, cross=first, **options)
    assert mined == sememe.mine_negatives(PAIRS, CORPUS, ENCODER, cross=again, **options)
    assert len(first.scored) > 0
    assert again.scored == []
