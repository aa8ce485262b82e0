"""An index as a user holds it: texts in, hits out, the same on every later day."""

import pickle
import threading
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped,import-not-found,unused-ignore]
import pytest

from reference import cosine_distance
from sememe import BiEncoder, CrossEncoder, Index, costs
from sememe.errors import (
    BlankWarning,
    CostWarning,
    InputError,
    SememeWarning,
    StoreError,
    StoreMissing,
    TruncationWarning,
)
from static_models import make_model2vec, word_pieces
from tiny_models import make_checkpoint, make_cross_encoder

TEXTS = [
    "nuclear power is clean",
    "the wind plant is cheap and the waste is not dangerous for people at home",
    "a new car. The old bus was always poor.",
    "remote work: good for people, bad for the office?",
]
IDS = ["n", "w", "3", "4"]
METADATA: list[dict[str, Any] | None] = [
    {"lang": "en", "year": 2023},
    {"lang": "de", "tags": ["a", {"b": None}]},
    None,
    {"year": 2020.5},
]


@pytest.fixture
def index(encoder: BiEncoder, tmp_path: Path) -> Index:
    made = Index.create(tmp_path / "texts.sememe", encoder)
    made.add(TEXTS, IDS, METADATA)
    return made


def test_what_is_added_is_found_by_its_own_text(index: Index) -> None:
    for text, own, metadata in zip(TEXTS, IDS, METADATA, strict=True):
        first = index.search(text)[0]
        assert (first.id, first.text, first.metadata) == (own, text, metadata or {})


def test_dense_scores_are_the_encoders_own(index: Index, encoder: BiEncoder) -> None:
    query = "the power of wind"
    expected = encoder.encode_document(TEXTS) @ encoder.encode_query(query)
    hits = index.search(query, top_k=4)
    assert [hit.id for hit in hits] == [IDS[row] for row in np.argsort(-expected)]
    np.testing.assert_allclose([hit.score for hit in hits], np.sort(expected)[::-1], atol=1e-6)


def test_many_queries_are_like_one_at_a_time(index: Index) -> None:
    queries = ["nuclear", "the bus", "office"]
    for mode in ("dense", "bm25", "hybrid"):
        each = [index.search(query, mode=mode) for query in queries]
        many = index.search_many(queries, mode=mode)
        assert [[hit.id for hit in hits] for hits in many] == [
            [h.id for h in hits] for hits in each
        ]
    assert index.search_many([]) == []


def test_a_vector_is_a_query(index: Index, encoder: BiEncoder) -> None:
    vector = encoder.encode_query("the bus")
    expected = index.search("the bus")
    found = [index.search(vector * 5), index.search(vector.tolist())]
    for many in (np.stack([vector, vector]), [vector, vector], [vector.tolist()]):
        found += index.search_many(many)
    for hits in found:
        assert [hit.id for hit in hits] == [hit.id for hit in expected]
        np.testing.assert_allclose([h.score for h in hits], [h.score for h in expected], atol=1e-6)


def test_words_are_found_by_their_stems_or_as_they_are(encoder: BiEncoder, tmp_path: Path) -> None:
    found = {}
    for language in ("english", "simple"):
        index = Index.create(tmp_path / language, encoder, language=language)
        index.add(["two plants", "a working bus"])
        found[language] = {hit.text for hit in index.search("PLANT worked", mode="bm25")}
    assert found == {"english": {"two plants", "a working bus"}, "simple": set()}


@pytest.mark.parametrize(
    "query",
    ['"', "nuclear OR", "text:power", "-bus", "NEAR(a b)", "*", "'; DROP TABLE texts", "日本"],
)
def test_any_text_is_a_query_of_words(index: Index, query: str) -> None:
    for mode in ("bm25", "hybrid"):
        index.search(query, mode=mode)
    assert len(index) == 4


def test_hybrid_fuses_the_ranks_of_both(index: Index) -> None:
    query = "bad bus"
    ranks: dict[Any, float] = {}
    for mode in ("dense", "bm25"):
        for rank, hit in enumerate(index.search(query, mode=mode), start=1):
            ranks[hit.id] = ranks.get(hit.id, 0) + 1 / (60 + rank)
    found = {hit.id: hit.score for hit in index.search(query, mode="hybrid")}
    assert found == pytest.approx(ranks)
    assert list(found.values()) == sorted(found.values(), reverse=True)


def test_a_cross_encoder_orders_the_candidates(index: Index, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    cross = CrossEncoder(tmp_path / "cross", precision="f32")
    expected = cross.rank("cheap power", TEXTS)
    hits = index.search("cheap power", rerank=cross, top_k=3)
    assert [hit.text for hit in hits] == [hit.text for hit in expected[:3]]
    assert [hit.score for hit in hits] == pytest.approx([hit.score for hit in expected[:3]])
    near = {hit.id for hit in index.search("cheap power", top_k=2)}
    two = index.search("cheap power", rerank=cross, candidates=2, top_k=2)
    assert {hit.id for hit in two} == near, "only the candidates are read"


class Recording(CrossEncoder):
    """A cross-encoder that remembers what it was given to score, call by call."""

    calls: list[list[Sequence[str]]]

    def score(self, pairs: Iterable[Sequence[str]], **options: Any) -> Any:
        self.calls = [*getattr(self, "calls", []), list(pairs)]
        return super().score(self.calls[-1], **options)


@pytest.mark.slow
def test_no_more_pairs_are_scored_than_there_are_candidates(index: Index, tmp_path: Path) -> None:
    make_cross_encoder(tmp_path / "cross")
    query = "people"
    both = [{h.id for h in index.search(query, mode=m, top_k=2)} for m in ("dense", "bm25")]
    assert len(both[0] | both[1]) > 2
    best = {hit.text for hit in index.search(query, mode="hybrid", candidates=2, top_k=2)}
    for mode in ("dense", "bm25", "hybrid"):
        cross = Recording(tmp_path / "cross", precision="f32")
        index.search(query, mode=mode, rerank=cross, candidates=2, top_k=1)
        [pairs] = cross.calls
        assert len(pairs) <= 2
    assert {text for _, text in pairs} == best


def test_the_pairs_of_all_queries_are_scored_together(
    index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_cross_encoder(tmp_path / "cross")
    cross = Recording(tmp_path / "cross", precision="f32")
    with pytest.warns(TruncationWarning):
        index.add(["wind " * 100], ["long"])
    queries = ["cheap power", "an old bus", "the office"]
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        many = index.search_many(queries, rerank=cross, progress=True)
    assert [len(pairs) for pairs in cross.calls] == [15]
    assert "0/15" in capsys.readouterr().err
    assert [note.category for note in notes] == [TruncationWarning]
    assert "3 of 15 pairs" in str(notes[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        for query, hits in zip(queries, many, strict=True):
            alone = index.search(query, rerank=cross)
            ranked = cross.rank(query, [*TEXTS, "wind " * 100])
            assert [hit.id for hit in hits] == [hit.id for hit in alone]
            assert [hit.text for hit in hits] == [hit.text for hit in ranked]
    assert index.search_many(["zebra"], mode="bm25", rerank=cross) == [[]]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_a_name_is_an_encoder_wherever_one_is_taken(tmp_path: Path) -> None:
    first = make_checkpoint(tmp_path / "first", head=["normalize"]).directory
    other = make_checkpoint(tmp_path / "other", head=["normalize"], seed=1).directory
    make_cross_encoder(tmp_path / "cross")
    with Index.create(tmp_path / "index", str(first)) as index:
        index.add(TEXTS)
    with Index.open(tmp_path / "index", first) as index:
        hits = index.search("a bus", rerank=str(tmp_path / "cross"))
        expected = CrossEncoder(tmp_path / "cross").rank("a bus", TEXTS)
        assert [hit.text for hit in hits] == [hit.text for hit in expected]
        index.reindex(str(other))
        assert index.encoder.model == str(other)
    with pytest.raises(StoreError, match="was made with"):
        Index.open(tmp_path / "index", str(first))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sememe.errors.ChoiceWarning")
def test_without_an_encoder_it_is_the_default_model(tmp_path: Path, default_model: str) -> None:
    with Index.create(tmp_path / "index") as index:
        assert index.encoder.model == default_model


def test_two_threads_that_search_first_open_one_encoder(index: Index) -> None:
    start = threading.Barrier(4)
    with Index.open(index.place) as opened, ThreadPoolExecutor(4) as pool:

        def search(_: int) -> int:
            start.wait()
            opened.search("a bus")
            return id(opened.encoder)

        def encoder(_: int) -> int:
            start.wait()
            return id(opened.encoder)

        encoders = [pool.submit(work, n) for n, work in enumerate([search, encoder] * 2)]
        assert len({each.result() for each in encoders}) == 1


def test_blank_texts_are_left_out_and_told_of(index: Index, encoder: BiEncoder) -> None:
    texts = ["", "a new bus", " \n"]
    ids: list[str | int] = ["x", "y", "z"]
    for write in (index.add, index.upsert):
        with pytest.warns(BlankWarning) as notes:
            assert write(texts, ids, vectors=encoder.encode_document(texts)) == ids
        assert [str(note.message) for note in notes] == [
            "2 of 3 texts are blank (texts[0], texts[2]) and not added."
        ]
    assert [row.id for row in index.get(ids)] == ["y"]
    assert index.search(encoder.encode_document("a new bus"))[0].id == "y"
    with pytest.warns(BlankWarning, match="1 of 1 texts is blank"):
        assert index.get(index.add([""])) == []
    for missing in (None, float("nan")):
        with pytest.raises(InputError, match=r"texts\[1\] is missing"):
            index.add(["a", missing])  # type: ignore[list-item]
    assert len(index) == 5


def test_a_table_or_a_mapping_is_no_list_of_queries(index: Index) -> None:
    with pytest.raises(InputError, match="queries is a DataFrame: give one column of it"):
        index.search_many(pd.DataFrame({"text": TEXTS}))
    with pytest.raises(InputError, match="queries is a dict: give its values"):
        index.search_many({"a bus": 1})  # type: ignore[arg-type]
    assert len(index.search_many(pd.Series(["a bus", "wind"]))) == 2


def test_numbers_of_numpy_are_numbers_in_a_search(index: Index) -> None:
    hits = index.search("power", top_k=np.int64(3), where={"year": np.int64(2023)})  # type: ignore[arg-type]
    assert [hit.id for hit in hits] == ["n"]
    for years in (np.array([2023, 2020.5]), pd.Series([2023, 2020.5]), [np.float32(2020.5), 2023]):
        assert {hit.id for hit in index.search("power", where={"year": years})} == {"n", "4"}
    with pytest.raises(InputError, match="is not a text without NUL, a finite number"):
        index.search("power", where={"year": np.array([np.nan])})


@pytest.mark.slow
def test_what_is_added_says_what_it_costs_once(
    encoder: BiEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = BiEncoder(encoder.model, precision="f32")
    other = BiEncoder(make_checkpoint(tmp_path / "other", seed=1).directory, precision="f32")
    for slow_encoder in (slow, other):  # tokens a second
        monkeypatch.setitem(costs._rates, slow_encoder._pipeline.rate_name, 1e-3)
    texts = [f"a bus {n}" for n in range(2_500)]
    index = Index.create(tmp_path / "index", slow)
    for work in (lambda: index.add(texts), lambda: index.reindex(other)):
        with pytest.warns(CostWarning) as notes:
            work()
        assert [str(note.message)[:20] for note in notes] == ["Encoding 2,500 texts"]


def test_several_that_make_one_index_at_once_make_one(tmp_path: Path, encoder: BiEncoder) -> None:
    start = threading.Barrier(6)

    def create(_: int) -> str:
        start.wait()
        try:
            Index.create(tmp_path / "new", encoder).close()
        except InputError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(6) as pool:
        messages = sorted(pool.map(create, range(6)))
    assert messages[0] == ""
    assert all("new is there already" in message for message in messages[1:])


def test_a_hit_says_which_sentence_matched_best(index: Index, encoder: BiEncoder) -> None:
    for query in ("an old bus", encoder.encode_query("an old bus")):
        by_text = {hit.text: hit.sentence for hit in index.search(query)}
        parts = ["a new car.", "The old bus was always poor."]
        near = encoder.similarity(
            encoder.encode_query("an old bus"), encoder.encode_document(parts)
        )
        assert by_text[TEXTS[2]] == parts[int(near.argmax())]
        assert by_text[TEXTS[0]] == TEXTS[0]


def test_filters_keep_to_some_texts(index: Index) -> None:
    for mode in ("dense", "bm25", "hybrid"):
        asked: dict[str, Any] = {"mode": mode, "query": "nuclear wind car work power"}
        assert [h.id for h in index.search(**asked, where="lang = 'de'")] == ["w"]
        assert {h.id for h in index.search(**asked, where="year >= 2020.5")} == {"n", "4"}
        assert [h.id for h in index.search(**asked, where={"id": 3})] == ["3"]
        assert index.search(**asked, where="lang = 'fr'") == []


def test_without_ids_the_same_texts_have_the_same_ones(encoder: BiEncoder, tmp_path: Path) -> None:
    one, two = (Index.create(tmp_path / name, encoder) for name in ("one", "two"))
    twice = ["a bus", "a car", "a bus"]
    assert one.add(twice) == two.add(twice)
    assert len(one) == 3
    assert one.add(twice) == two.add(twice)
    assert len(one) == 3, "adding again adds nothing"
    assert [row.text for row in one.get(one.add(["a bus"]))] == ["a bus"]


def test_what_is_there_is_not_encoded_again(index: Index, encoder: BiEncoder) -> None:
    wrong = np.zeros((5, encoder.dim), np.float32)
    wrong[:, 0] = 1
    index.add([*TEXTS, "one more"], [*IDS, 5], [*METADATA, None], vectors=wrong)
    near = {hit.id: hit.score for hit in index.search(wrong[0])}
    assert near["5"] == pytest.approx(1)
    assert near["n"] < 0.99, "its own vector stayed"


def test_upsert_replaces_and_adds(index: Index) -> None:
    assert index.upsert(["a new text", "a book"], ["n", "b"], [{"v": 2}, None]) == ["n", "b"]
    assert len(index) == 5
    assert [row.text for row in index.get(["n", "b"])] == ["a new text", "a book"]
    assert index.search("a new text")[0].metadata == {"v": 2}
    assert "nuclear power is clean" not in {hit.text for hit in index.search("nuclear power")}
    assert index.search("nuclear", mode="bm25") == []


def test_delete_removes_and_says_how_many(index: Index) -> None:
    assert index.delete(["n", 3, "nobody"]) == 2
    assert {hit.id for hit in index.search("power")} == {"w", "4"}
    assert index.search("nuclear", mode="bm25") == []
    assert index.get(["n", "4"])[0].id == "4"


def test_a_later_process_finds_the_same(index: Index, encoder: BiEncoder, tmp_path: Path) -> None:
    before = index.search("the wind", mode="hybrid")
    index.close()
    for given in (encoder, None):
        with Index.open(tmp_path / "texts.sememe", given) as later:
            assert later.search("the wind", mode="hybrid") == before
    with pytest.raises(StoreError, match="was closed"):
        index.search("the wind")


def test_pickled_it_is_opened_again(index: Index) -> None:
    with pickle.loads(pickle.dumps(index)) as again:
        assert again.search("the wind") == index.search("the wind")


def test_another_encoder_is_refused_and_reindex_takes_it(index: Index, tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "other", head=["normalize"], seed=7)
    other = BiEncoder(tmp_path / "other", precision="f32")
    place = tmp_path / "texts.sememe"
    with pytest.raises(StoreError, match=r"cannot be compared.*reindex"):
        Index.open(place, other)
    Index.open(place).reindex(other)
    with pytest.raises(StoreError, match="cannot be compared"):
        index.search("the wind")
    with pytest.raises(StoreError, match="another encoder"):
        index.add(["late"])
    with Index.open(place, other) as again:
        assert len(again) == 4
        found = again.search("the wind", top_k=4)
        expected = other.encode_document([hit.text for hit in found]) @ other.encode_query(
            "the wind"
        )
        np.testing.assert_allclose([hit.score for hit in found], expected, atol=1e-6)


def test_inner_products_stay_what_the_model_means(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "dot", head=[], similarity="dot")
    dot = BiEncoder(made.directory, precision="f32")
    index = Index.create(tmp_path / "index", dot)
    index.add(TEXTS, IDS)
    expected = dot.similarity(dot.encode_query("the wind"), dot.encode_document(TEXTS))[0]
    found = [hit.score for hit in index.search("the wind")]
    assert found == pytest.approx(sorted(expected, reverse=True))
    assert max(expected) > 1.5, "these are no cosines"


@pytest.mark.slow
def test_long_texts_are_told_of_once(encoder: BiEncoder, tmp_path: Path) -> None:
    index = Index.create(tmp_path / "long", encoder)
    with pytest.warns(TruncationWarning, match="2,500 of 2,500 texts") as told:
        index.add([f"the wind {'is cheap ' * 40}{number}" for number in range(2500)])
    assert len(told) == 1


def test_vectors_stored_are_the_ones_given(index: Index, encoder: BiEncoder) -> None:
    vectors = np.random.default_rng(0).standard_normal((300, encoder.dim)).astype(np.float32)
    index.upsert([f"text {n}" for n in range(300)], range(1000, 1300), vectors=vectors)
    hits = index.search(vectors[7], top_k=300)
    assert hits[0].id == "1007"
    assert hits[0].score == pytest.approx(1)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert cosine_distance(unit[7][None], vectors[7][None]).max() < 1e-6


Bad = tuple[dict[str, Any], str]
BAD_ROWS: list[Bad] = [
    ({"texts": ["a", 1]}, r"texts\[1\] is of type int"),
    ({"texts": "a"}, "a single str"),
    ({"texts": ["a", "b"], "ids": ["x"]}, "1 ids for 2 texts"),
    ({"texts": ["a", "b"], "ids": ["x", "x"]}, r"ids\[1\] is 'x', as ids\[0\] is"),
    ({"texts": ["a"], "ids": [""]}, r"ids\[0\] is ''"),
    ({"texts": ["a"], "ids": [True]}, r"ids\[0\] is True"),
    ({"texts": ["a"], "ids": [2**63]}, r"ids\[0\] is 9223372036854775808"),
    ({"texts": ["a"], "ids": [1.5]}, r"ids\[0\] is 1.5"),
    ({"texts": ["a"], "ids": ["\ud800"]}, r"ids\[0\]"),
    ({"texts": ["a"], "metadata": {"lang": "en"}}, "metadata is a dict"),
    ({"texts": ["a"], "metadata": [{"id": 1}]}, r"metadata\[0\] has the key 'id'"),
    ({"texts": ["a"], "metadata": [{1: 1}]}, r"metadata\[0\] has the key 1"),
    ({"texts": ["a"], "metadata": [{"x": float("nan")}]}, r"metadata\[0\] cannot be kept"),
    ({"texts": ["a"], "metadata": [{"x": object()}]}, r"metadata\[0\] cannot be kept"),
    ({"texts": ["a"], "metadata": ["x"]}, r"metadata\[0\] is 'x'"),
    ({"texts": ["a"], "vectors": np.zeros((1, 5))}, r"\(1, 5\).*\(1, 32\)"),
    ({"texts": ["a"], "vectors": np.full((1, 32), np.nan)}, "not a finite number"),
]


@pytest.mark.parametrize(("given", "said"), BAD_ROWS, ids=lambda value: str(value)[:40])
def test_bad_rows_are_told_of_and_nothing_is_written(index: Index, given: Any, said: str) -> None:
    for write in (index.add, index.upsert):
        with pytest.raises(InputError, match=said):
            write(**given)
    assert len(index) == 4


def test_an_id_that_is_there_with_another_text_is_refused(index: Index) -> None:
    for text, metadata in (("other", METADATA[0]), (TEXTS[0], {"lang": "fr"})):
        with pytest.raises(InputError, match=r"ids\[1\] is 'n'.*upsert"):
            index.add(["new", text], ["new", "n"], [None, metadata])
    assert len(index) == 4


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"query": " "}, "query 0 is ' '"),
        ({"query": "a", "top_k": 0}, "top_k=0"),
        ({"query": "a", "top_k": True}, "top_k=True"),
        ({"query": "a", "candidates": 1.5}, "candidates=1.5"),
        ({"query": 5}, "query is 5; give a text, or a vector"),
        ({"query": ["a bus", "wind"]}, "query is a list of texts: search_many takes several"),
        ({"query": np.ones((2, 32))}, "query is array"),
        ({"query": "a", "rerank": 5}, "rerank is 5; give a CrossEncoder, or the name of one"),
        ({"query": "a", "mode": "fuzzy"}, "mode='fuzzy'"),
        ({"query": "a", "where": "lang == en"}, "en is a name"),
        ({"query": "a", "where": "lang = 'en"}, "closing quote"),
        ({"query": np.ones(5)}, "query of 5 numbers; vectors here have 32"),
        ({"query": np.full(32, np.inf)}, "finite"),
        ({"query": np.ones(32), "mode": "hybrid"}, 'mode="dense"'),
    ],
    ids=str,
)
def test_a_bad_question_gets_one_line(index: Index, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as told:
        index.search(**asked)
    assert "\n" not in str(told.value)


def test_bad_places(encoder: BiEncoder, tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="There is no index at"):
        Index.open(tmp_path / "nowhere")
    Index.create(tmp_path / "there", encoder)
    with pytest.raises(InputError, match="is there already"):
        Index.create(tmp_path / "there", encoder)
    with pytest.raises(InputError, match="language='klingon'"):
        Index.create(tmp_path / "new", encoder, language="klingon")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is there already"):
        Index.create(tmp_path / "file", encoder)


def test_what_is_no_encoder_is_told_of(index: Index, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="encoder=5 is no encoder"):
        Index.create(tmp_path / "new", 5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="encoder is 5; give a BiEncoder"):
        Index.open(tmp_path / "texts.sememe", 5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="queries is 5"):
        index.search_many(5)
    with pytest.raises(InputError, match="encoder=5 is no encoder"):
        index.reindex(5)  # type: ignore[arg-type]


def test_more_hits_than_there_are_texts(index: Index) -> None:
    for mode in ("dense", "bm25", "hybrid"):
        assert len(index.search("the power of people", mode=mode, top_k=10**20)) >= 2


def test_the_encoder_is_opened_as_it_was(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "tiny", head=["normalize"])
    largest = BiEncoder(made.directory, precision="f32", pooling="max")
    with Index.create(tmp_path / "index", largest) as index:
        index.add(TEXTS)
    with Index.open(tmp_path / "index") as index:
        assert index.encoder.fingerprint == largest.fingerprint
        assert index.search(TEXTS[1])[0].score == pytest.approx(1)


def test_what_computed_the_vectors_is_remembered(encoder: BiEncoder, tmp_path: Path) -> None:
    by_torch = BiEncoder(encoder.model, engine="torch", precision="f32")
    assert by_torch.fingerprint != encoder.fingerprint
    with Index.create(tmp_path / "index", by_torch) as index:
        index.add(TEXTS)
    with Index.open(tmp_path / "index") as index:
        assert index.encoder.fingerprint == by_torch.fingerprint


def test_no_index_takes_the_place_of_the_folder_one_is_in(
    encoder: BiEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the folder that you are in"):
        Index.create(".", encoder)
    with pytest.raises(StoreError, match="the folder that you are in"):
        Index.open(".")


@pytest.mark.slow
def test_an_encoder_that_changed_is_refused_each_time(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "tiny", head=["normalize"])
    with Index.create(tmp_path / "index", BiEncoder(made.directory, precision="f32")) as index:
        index.add(TEXTS)
    make_checkpoint(tmp_path / "tiny", head=["normalize"], seed=7)
    with Index.open(tmp_path / "index") as index:
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be compared"):
                index.add(["late"])


def test_sql_in_an_id_or_a_text_is_only_text(index: Index) -> None:
    nasty = ["'; DROP TABLE texts; --", '" OR 1=1', "x' UNION SELECT * FROM state --"]
    index.add(nasty, nasty, [{text: text} for text in nasty])
    assert {row.id for row in index.get(nasty)} == set(nasty)
    for text in nasty:
        assert [hit.id for hit in index.search("a", where={"id": text})] == [text]
        assert [hit.id for hit in index.search("a", where={text: text})] == [text]
        assert index.search(text, mode="bm25")
    assert index.delete(nasty) == 3
    assert len(index) == 4


def test_a_key_that_no_text_has_is_named_where_nothing_fits(index: Index) -> None:
    warning = r'where: no text has a "langg" \(did you mean "lang"\?\); there are id, text, lang'
    for mode in ("dense", "bm25"):
        with pytest.warns(SememeWarning, match=warning):
            assert index.search("wind", where={"langg": "de"}, mode=mode) == []
    with pytest.warns(SememeWarning, match=warning):
        assert index.delete(where="NOT (year > 1 OR langg = 'de') AND langg = 'x'") == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert index.search("wind", where={"lang": "fr"}) == []
        assert len(index.search("wind", where="langg IS NULL")) == 4
        assert index.delete(where="id = 'nobody'") == 0


@pytest.mark.slow
def test_an_index_names_the_encoder_that_cannot_be_opened_like_its_own(
    index: Index, tmp_path: Path
) -> None:
    make_model2vec(tmp_path / "static", word_pieces())
    with pytest.raises(StoreError, match=r"texts.sememe was made with .* by openvino in f32, and"):
        Index.open(index.place, tmp_path / "static")


def test_a_notebook_shows_hits_as_a_table(index: Index) -> None:
    index.upsert(["<b>wind</b>"], ["w"])
    shown = index.search("wind", top_k=1, where={"id": "w"})._repr_html_()
    assert "<caption>1 hit</caption>" in shown
    assert "<td>w</td><td>&lt;b&gt;wind&lt;/b&gt;</td>" in shown


def test_a_place_is_a_path(encoder: BiEncoder) -> None:
    place: Any = 5
    with pytest.raises(InputError, match="place=5: give a path"):
        Index.create(place, encoder)


def test_queries_to_tune_by_have_names(index: Index) -> None:
    queries: Any = ["a", "b"]
    with pytest.raises(InputError, match="queries and qrels are dicts"):
        index.tune_rerank(queries, {}, "never opened")
