"""An index whose texts are split into passages: what is found, and what stays whole."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from commands import sememe
from sememe import BiEncoder, Index
from sememe.errors import InputError
from tiny_models import Tiny, make_checkpoint, make_cross_encoder

WORDS = ["power", "book", "sea", "bus", "car", "wind", "plant", "waste", "people", "office"]


def long_text(seed: int, sentences: int = 12) -> str:
    chance = np.random.default_rng(seed)
    return " ".join(f"The {' '.join(chance.choice(WORDS, 6))}." for _ in range(sentences))


TEXTS = ["A short text.", *(long_text(seed) for seed in range(5)), "  spaces around. \n\n Two.  "]
IDS = [f"text {n}" for n in range(len(TEXTS))]
METADATA = [{"n": n} for n in range(len(TEXTS))]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def index(encoder: BiEncoder, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Index]:
    is_shared = request.param == "postgres"
    place = request.getfixturevalue("postgres_place") if is_shared else tmp_path / "x"
    index = Index.create(place, encoder, language="simple", long="split")
    index.add(TEXTS, IDS, METADATA)
    yield index
    index.close()


def passages(encoder: BiEncoder, texts: list[str]) -> list[list[str]]:
    tokens = encoder.max_length // 2
    spans = encoder.passages(texts, tokens=tokens, overlap=tokens // 8)
    return [[text[a:b] for a, b in each] for text, each in zip(texts, spans, strict=True)]


def vectors(encoder: BiEncoder, split: list[str]) -> np.ndarray:
    """Of a text's passages, of length 1: the mean of each one's and the first one's."""
    rows = encoder.encode_document(split)
    means: np.ndarray = (rows + rows[0]) / 2
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))


def test_texts_are_whole_whatever_they_are_split_into(index: Index) -> None:
    assert len(index) == len(TEXTS)
    assert [(row.id, row.text, row.metadata) for row in index.rows()] == list(
        zip(IDS, TEXTS, METADATA, strict=True)
    )
    assert [row.text for row in index.get(IDS[::-1])] == TEXTS[::-1]
    assert index.ids_of(TEXTS[2:4]) == {TEXTS[2]: [IDS[2]], TEXTS[3]: [IDS[3]]}


@pytest.mark.slow
@settings(max_examples=20)
@given(st.lists(st.text(alphabet="ab .!\n\t\u2029é中", min_size=1, max_size=300), max_size=4))
def test_any_texts_come_back(
    encoder: BiEncoder, tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    texts = [text for text in texts if text.strip()]
    with Index.create(tmp_path_factory.mktemp("any") / "x", encoder, long="split") as index:
        index.add(texts, range(len(texts)))
        assert [row.text for row in index.rows()] == texts
        for hit in index.search("a", top_k=99, per_document=None):
            assert hit.passage is not None
            text = texts[int(hit.id)]
            assert text[slice(*hit.passage)] == hit.text == hit.text.strip()


def test_a_text_is_as_near_as_its_best_passage(index: Index, encoder: BiEncoder) -> None:
    split = passages(encoder, TEXTS)
    assert max(map(len, split)) > 3
    for query in ("the wind plant", "people in the office"):
        vector = encoder.encode_query(query)
        best = [max(vectors(encoder, each) @ vector) for each in split]
        hits = index.search(query, top_k=len(TEXTS))
        assert [hit.id for hit in hits] == [IDS[n] for n in np.argsort(best)[::-1]]
        np.testing.assert_allclose([h.score for h in hits], sorted(best)[::-1], atol=1e-6)
        for hit in hits:
            number = IDS.index(hit.id)
            assert hit.text in split[number]
            assert hit.passage is not None
            assert TEXTS[number][slice(*hit.passage)] == hit.text
            assert hit.sentence in hit.text
            assert hit.metadata == METADATA[number]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["dense", "bm25", "hybrid"])
def test_passages_of_a_text_are_as_many_as_one_wants(index: Index, mode: str) -> None:
    query = "the sea and the bus"
    every = index.search(query, top_k=500, mode=mode, per_document=None, candidates=500)
    assert len({(hit.id, hit.passage) for hit in every}) == len(every)
    for most in (1, 2):
        hits = index.search(query, top_k=500, mode=mode, per_document=most, candidates=500)
        ids = [hit.id for hit in hits]
        assert max(map(ids.count, ids)) == most
        assert set(ids) == {hit.id for hit in every}
    three = index.search(query, top_k=3, mode=mode)
    assert len({hit.id for hit in three}) == 3, "other texts come where one has the best passages"


def test_a_text_that_is_best_by_other_passages_is_fused_as_one(index: Index) -> None:
    query = "the sea and the bus"
    ranks = [
        {hit.id: rank for rank, hit in enumerate(index.search(query, mode=mode), start=1)}
        for mode in ("dense", "bm25")
    ]
    for hit in index.search(query, mode="hybrid"):
        score = sum(1 / (60 + rank[hit.id]) for rank in ranks if hit.id in rank)
        assert hit.score == pytest.approx(score)


def test_one_text_with_all_the_best_passages_hides_no_other(tmp_path: Path, tiny: Tiny) -> None:
    with Index.create(tmp_path / "x", tiny.directory, long="split") as index:
        index.add([". ".join(["the wind plant"] * 300), "a car"], ["long", "short"])
        assert [hit.id for hit in index.search("the wind plant", top_k=2)] == ["long", "short"]


def test_a_filter_keeps_to_some_texts(index: Index) -> None:
    hits = index.search("the sea", where="n IN (1, 2) OR id = 'text 4'", top_k=99)
    assert {hit.id for hit in hits} == {"text 1", "text 2", "text 4"}


@pytest.mark.slow
def test_a_cross_encoder_reads_passages(index: Index, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    hits = index.search("the sea", rerank=tmp_path / "cross", top_k=3)
    assert len({hit.id for hit in hits}) == 3
    assert all(len(hit.text) < 200 for hit in hits)


def stored(index: Index) -> int:
    """How many passages there are."""
    return len(index.search("a", top_k=10_000, per_document=None))


def test_all_passages_of_a_text_go_with_it(index: Index, encoder: BiEncoder) -> None:
    counts = [len(each) for each in passages(encoder, TEXTS)]
    assert stored(index) == sum(counts)
    assert index.add(TEXTS, IDS, METADATA) == IDS
    assert stored(index) == sum(counts), "the same texts are not stored twice"
    with pytest.raises(InputError, match="'text 1', which is there with another text"):
        index.add(["another"], ["text 1"])
    index.upsert(["another"], ["text 1"])
    assert stored(index) == sum(counts) - counts[1] + 1
    assert index.delete(["text 2", "nothing"]) == 1
    assert index.delete(where="text LIKE '%The%' AND n >= 4") == 2, "a passage fits: the text goes"
    assert [row.id for row in index.rows()] == ["text 0", "text 3", "text 6", "text 1"]
    assert stored(index) == counts[0] + counts[3] + counts[6] + 1
    assert index.delete(where={"n": None}) == 1
    assert [row.id for row in index.rows("n = 3")] == ["text 3"]


@pytest.mark.slow
def test_passages_stay_when_they_are_encoded_again(index: Index, tmp_path: Path) -> None:
    other = make_checkpoint(tmp_path / "other", head=["normalize"], seed=1).directory
    before = {(hit.id, hit.passage) for hit in index.search("a", top_k=99, per_document=None)}
    index.reindex(other)
    after = index.search("a", top_k=99, per_document=None)
    assert {(hit.id, hit.passage) for hit in after} == before
    encoder = BiEncoder(other)
    assert index.encoder.fingerprint == encoder.fingerprint
    split, query = passages(encoder, TEXTS), encoder.encode_query("a")
    for hit in after:
        number = IDS.index(hit.id)
        rows = vectors(encoder, split[number]) @ query
        assert hit.score == pytest.approx(rows[split[number].index(hit.text)], abs=1e-5)


def test_the_setting_is_the_indexes(encoder: BiEncoder, tmp_path: Path) -> None:
    Index.create(tmp_path / "x", encoder, long="split").close()
    with Index.open(tmp_path / "x") as again:
        again.add([TEXTS[1] + " More."], ["new"])
        assert all(hit.passage for hit in again.search("more"))


def test_whole_texts_have_no_passages(encoder: BiEncoder, tmp_path: Path) -> None:
    with Index.create(tmp_path / "whole", encoder) as index:
        index.add(["a bus", "a car"])
        assert [hit.passage for hit in index.search("a bus")] == [None, None]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"long": "cut"}, "long='cut' is not known; there are truncate, split"),
        ({"passage_tokens": 8}, 'go with long="split"'),
        ({"long": "split", "passage_tokens": 10_000}, "tokens=10000: give a whole number from 1"),
        ({"long": "split", "passage_tokens": 8, "passage_overlap": 8}, "overlap=8"),
    ],
)
def test_what_cannot_be_split_so_is_refused(
    encoder: BiEncoder, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Index.create(tmp_path / "x", encoder, **options)
    assert not (tmp_path / "x").exists()


def test_bad_arguments_are_one_line(index: Index) -> None:
    with pytest.raises(InputError, match="per_document=0: give a whole number"):
        index.search("a", per_document=0)
    with pytest.raises(InputError, match="vectors= are of whole texts"):
        index.add(["b"], vectors=np.ones((1, 8)))
    for arguments in ({}, {"ids": ["a"], "where": "n = 1"}):
        with pytest.raises(InputError, match="ids or where="):
            index.delete(**arguments)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="column 4"):
        index.rows("n =")


def test_hits_become_a_frame(index: Index) -> None:
    pytest.importorskip("pandas")
    hits = index.search("the sea", top_k=3)
    frame = hits.to_frame()
    assert [*frame] == ["id", "text", "score", "passage", "n"]
    assert [*frame["id"]] == [hit.id for hit in hits]
    assert [*frame["n"]] == [hit.metadata["n"] for hit in hits]


@pytest.mark.slow
def test_the_command_splits_lists_exports_and_removes(tmp_path: Path, tiny: Tiny) -> None:
    file, place = tmp_path / "rows.jsonl", tmp_path / "x"
    table = tmp_path / "rows.csv"
    rows = "".join(f'{n},"{text}",{n % 2}\n' for n, text in enumerate(TEXTS[:6]))
    table.write_text(f"id,text,odd\n{rows}")
    options = ("--model", tiny.directory, "--long", "split")
    done = sememe("index", table, "-o", place, *options)
    assert "6 texts, 6 new" in done.stderr
    assert "6 texts, 0 new" in sememe("index", table, "-o", place).stderr
    refused = sememe("index", table, "-o", place, "--long", "truncate")
    assert refused.returncode == 2
    assert "--long split: leave --long out.\n" in refused.stderr
    shown = sememe("search", place, "the sea", "-k", 1).stdout
    with Index.open(place) as index:
        [hit] = index.search("the sea", top_k=1)
    assert hit.passage is not None
    assert f"id {hit.id} · characters {hit.passage[0]} to {hit.passage[1]} · odd" in shown
    every = sememe("search", place, "the sea", "-k", 99, "--per-document", "all", "--json").stdout
    assert every.count('"passage": [') > 6
    lines = sememe("index", "--list", "--where", "odd = 1", "-o", place).stdout.splitlines()
    assert [line.split(" · ")[0] for line in lines] == ["1", "3", "5"]
    done = sememe("index", "--export", file, "-o", place, "--json")
    assert done.stdout == f'{{"texts": 6, "output": "{file}"}}\n'
    assert "6 texts, 0 new" in sememe("index", file, "-o", place).stderr, "as it was exported"
    done = sememe("index", "--remove", "--where", "odd = 1", "-o", place, "--json")
    assert '"texts": 3, "removed": 3' in done.stdout
    for arguments, message in (
        (("--list", "--model", "m"), "--model does nothing with --list"),
        (("--remove",), "give a file with ids, or --where"),
        (("--export", tmp_path / "x.exe"), "x.exe"),
        ((table, "--where", "odd = 1"), "--where does nothing"),
        (("--list", "--where", "odd ="), "column 6"),
    ):
        done = sememe("index", *arguments, "-o", place)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert message in done.stderr


@pytest.mark.slow
def test_the_command_takes_vectors_that_are_there_already(tmp_path: Path, tiny: Tiny) -> None:
    table, vectors = tmp_path / "rows.csv", tmp_path / "v.parquet"
    table.write_text("id,text\n1,a bus\n2,\n3,a car\n")
    model = ("--model", tiny.directory, "--precision", "f32")
    prompt = ("--prompt-name", "passage")
    assert sememe("encode", table, "-o", vectors, *model, *prompt).returncode == 0
    done = sememe("index", table, "-o", tmp_path / "x", "--vectors", vectors, *model)
    assert "2 texts, 2 new" in done.stderr
    with Index.open(tmp_path / "x") as index:
        encoder = index.encoder
        score = encoder.encode_document("a car") @ encoder.encode_query("a car")
        hit = next(hit for hit in index.search("a car") if hit.id == "3")
        assert hit.score == pytest.approx(score, abs=1e-5)
    other = make_checkpoint(tmp_path / "other", head=["normalize"], seed=1).directory
    place = tmp_path / "y"
    done = sememe("index", table, "-o", place, "--vectors", vectors, "--model", other)
    assert done.returncode == 2
    assert "was computed by the encoder" in done.stderr
    assert not place.exists()
