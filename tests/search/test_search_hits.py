"""A hit: its best sentence, when that is looked for, and what else a value of Python can do."""

import copy
import pickle
from dataclasses import asdict
from typing import Any

import pytest

from sememe import BiEncoder
from sememe.search import Hit
from sememe.search.ranking import make_hits
from sememe.search.rows import Match, Row
from tiny_models import Tiny

WORDS = ["power", "book", "sea", "bus", "car", "wind", "plant", "waste", "people", "office"]


class Recording(BiEncoder):
    """An encoder that remembers which documents it was given, call by call."""

    def encode_document(self, texts: Any, **options: Any) -> Any:
        self.calls = [*getattr(self, "calls", []), list(texts)]
        return super().encode_document(texts, **options)


@pytest.fixture
def recording(tiny: Tiny) -> Recording:
    return Recording(tiny.directory, precision="f32")


def text_of(count: int, about: str) -> str:
    return " ".join(f"The {WORDS[n % 10]} {n} is {about}." for n in range(count))


def found(encoder: BiEncoder, query: Any, *texts: str) -> list[Hit]:
    matches = [Match(Row(str(n), text, {"n": [n]}), 1.0 / (n + 1)) for n, text in enumerate(texts)]
    return make_hits(matches, query, lambda: encoder)


@pytest.mark.slow
def test_sentences_of_short_texts_are_looked_for_together(recording: Recording) -> None:
    texts = [text_of(5, f"good {n}") for n in range(10)]
    listed = found(recording, "a good book", *texts, "one sentence only")
    assert listed[10].sentence == "one sentence only"
    assert not hasattr(recording, "calls"), "nothing had to be chosen"
    together = [hit.sentence for hit in listed]
    assert len(recording.calls) == 1
    alone = [found(recording, "a good book", text)[0].sentence for text in texts]
    assert together[:10] == alone
    vector = recording.encode_query("a good book")
    assert [hit.sentence for hit in found(recording, vector, *texts)] == alone


def test_a_long_text_waits_until_its_own_sentence_is_asked_for(recording: Recording) -> None:
    listed = found(recording, "wind", "A bus. A car.", text_of(100, "old"), text_of(100, "new"))
    assert listed[0].sentence in ("A bus.", "A car.")
    assert recording.calls == [["A bus.", "A car."]]
    assert listed[2].sentence.endswith("is new.")
    assert [len(call) for call in recording.calls] == [2, 100]


def test_of_a_very_long_text_those_sentences_count_that_have_most_words_of_the_query(
    recording: Recording,
) -> None:
    text = f"{text_of(5_000, 'dull')} Wind POWER is cheap."
    [hit] = found(recording, "cheap wind power", text)
    assert hit.sentence in recording.calls[0]
    assert recording.calls[0][0] == "Wind POWER is cheap."
    assert len(recording.calls[0]) == 200
    [by_vector] = found(recording, recording.encode_query("cheap wind power"), text)
    assert (
        by_vector.sentence
        in recording.calls[1]
        == [f"The {WORDS[n % 10]} {n} is dull." for n in range(200)]
    )


def test_an_encoder_is_opened_for_a_sentence_only_when_one_has_to_be_chosen() -> None:
    def none() -> BiEncoder:
        raise AssertionError("nobody asked for it")

    matches = [Match(Row("1", "One sentence", {}), 1.0), Match(Row("2", "", {}), 0.5)]
    assert [hit.sentence for hit in make_hits(matches, "query", none)] == ["One sentence", ""]
    assert (
        make_hits([Match(Row("1", "Two. Of them.", {}), 1.0)], "query", none)[0].text
        == "Two. Of them."
    )


def test_a_hit_can_be_pickled_hashed_and_copied(recording: Recording) -> None:
    listed = found(recording, "a good book", text_of(5, "good"), text_of(3, "bad"))
    again = pickle.loads(pickle.dumps(listed))
    assert again == listed == copy.deepcopy(listed)
    assert len({*listed, *again}) == 2
    assert [hit.sentence for hit in again] == [hit.sentence for hit in listed]
    assert [hit.metadata for hit in again] == [{"n": [0]}, {"n": [1]}]
    assert len(pickle.dumps(listed[0])) < 1_000, "there is no encoder in it"


def test_a_table_of_hits_keeps_all_keys_and_whole_numbers(recording: Recording) -> None:
    metadata: list[dict[str, Any]] = [
        {"score": 3, "score_": "own", "year": 2**60 + 1, "tags": ["a", "b"]},
        {"score": 4, "tags": ["c", "d"]},
    ]
    matches = [Match(Row(str(n), "text", each), 0.5) for n, each in enumerate(metadata)]
    frame = make_hits(matches, "query", lambda: recording).to_frame()
    assert [*frame] == ["id", "text", "score", "passage", "score__", "score_", "year", "tags"]
    assert [*frame["score__"]] == [3, 4]
    assert frame["score_"][0] == "own"
    assert [*frame["year"]] == [2**60 + 1, None]
    assert [*frame["tags"]] == [["a", "b"], ["c", "d"]]


def test_a_hit_can_be_made_a_dict_after_its_sentence_was_read(recording: Recording) -> None:
    [hit] = found(recording, "a good book", text_of(3, "good"))
    assert hit.sentence
    assert asdict(hit)["text"] == hit.text
