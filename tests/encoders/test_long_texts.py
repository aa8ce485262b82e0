"""long="chunk": a long text is read whole, and one that fits is as it was."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reference import cosine_distance, sentence_vectors
from sememe import BiEncoder
from sememe.encoders import pipeline
from sememe.errors import InputError
from sememe.text import split_passages
from static_models import make_static_embedding, word_pieces
from tiny_models import TEXTS, make_checkpoint

LONG = "the wind plant is cheap . " * 8 + "the new school was never at home " * 6
ROOM = 30  # 32 tokens less the two special ones


def expected(tiny: Any, text: str, prompt: str = "", room: int = ROOM) -> np.ndarray:
    """The mean of passages, weighted by tokens, of a text whose words are its tokens."""

    def count(texts: Sequence[str]) -> list[int]:
        return [len(each.split()) for each in texts]

    passages = [text[a:b] for a, b in split_passages(text, count, tokens=room)]
    assert len(passages) > 1
    return np.average(sentence_vectors(tiny, passages, prompt), axis=0, weights=count(passages))


@pytest.fixture(scope="module")
def pooled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, BiEncoder]:
    """A checkpoint that gives its vectors as they are pooled."""
    tiny = make_checkpoint(tmp_path_factory.mktemp("pooled"))
    return tiny, BiEncoder(tiny.directory, precision="f32")


def test_texts_that_fit_are_encoded_as_without_it_to_the_bit(encoder: BiEncoder) -> None:
    given = [*TEXTS, "wind " * 30, *TEXTS, "a"]
    for options in ({}, {"prompt_name": "query"}, {"dtype": "float16"}, {"dtype": "binary"}):
        fitting = given if options != {"prompt_name": "query"} else TEXTS
        chunked = encoder.encode(fitting, long="chunk", **options)  # type: ignore[arg-type]
        plain = encoder.encode(fitting, **options)  # type: ignore[arg-type]
        np.testing.assert_array_equal(chunked, plain)
    assert encoder.encode([], long="chunk").shape == (0, encoder.dim)


def test_a_long_text_is_the_mean_of_its_passages(pooled: tuple[Any, BiEncoder]) -> None:
    tiny, encoder = pooled
    found = encoder.encode(["a", LONG, "wind " * 31, LONG], long="chunk")
    np.testing.assert_allclose(found[1], expected(tiny, LONG), atol=1e-4)
    np.testing.assert_allclose(found[2], expected(tiny, "wind " * 31), atol=1e-4)
    np.testing.assert_array_equal(found[1], found[3])
    np.testing.assert_allclose(found[0], sentence_vectors(tiny, ["a"])[0], atol=1e-4)
    unit = encoder.encode(LONG, long="chunk", normalize=True, truncate_dim=8)
    start = expected(tiny, LONG)[:8]
    np.testing.assert_allclose(unit, start / np.linalg.norm(start), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("include_prompt", [True, False])
def test_each_passage_is_read_behind_the_prompt(tmp_path: Path, include_prompt: bool) -> None:
    tiny = make_checkpoint(tmp_path, include_prompt=include_prompt)
    encoder = BiEncoder(tmp_path, precision="f32")
    found = encoder.encode(LONG, long="chunk", prompt="the power : ")
    wanted = expected(tiny, LONG, "the power : ", ROOM - 3)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_what_truncation_loses_counts(encoder: BiEncoder) -> None:
    start = "the wind plant is cheap. " * 8
    endings = [start + "school teacher child. " * 9, start + "bus train road. " * 9]
    with pytest.warns(match="2 of 2 texts"):
        cut = encoder.encode(endings)
    assert cosine_distance(cut[0], cut[1]) < 1e-6
    whole = encoder.encode(endings, long="chunk")
    assert cosine_distance(whole[0], whole[1]) > 1e-3


def test_a_long_text_has_one_vector_in_any_company(encoder: BiEncoder) -> None:
    alone = encoder.encode(LONG, long="chunk")
    among = encoder.encode([*TEXTS, LONG, "bus " * 200, *TEXTS], long="chunk")
    assert cosine_distance(alone, among[len(TEXTS)]).max() <= 1e-6


def test_on_disk_it_is_what_encode_gives(encoder: BiEncoder, tmp_path: Path) -> None:
    given = ["a", LONG, "wind " * 200, ""]
    encoder.encode_to(given, tmp_path / "v.npy", long="chunk")
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), encoder.encode(given, long="chunk"))


def test_a_prompt_that_leaves_no_room_is_refused(encoder: BiEncoder) -> None:
    with pytest.raises(InputError, match="no room for a text"):
        encoder.encode(["the wind"], long="chunk", prompt="the power " * 30)


def test_a_long_text_of_spaces_has_a_vector(encoder: BiEncoder) -> None:
    spaces = encoder.encode([" " * 500], long="chunk")
    np.testing.assert_array_equal(spaces, encoder.encode([" " * 500]))


def test_the_bar_counts_texts_not_passages(
    encoder: BiEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[int] = []

    class Counting:
        def __enter__(self) -> "Counting":
            return self

        def __exit__(self, *_: object) -> None: ...

        def update(self, n: int) -> None:
            counted.append(n)

    monkeypatch.setattr(pipeline, "progress_bar", lambda *_: Counting())
    encoder.encode(["a", LONG, LONG, "wind " * 500], long="chunk")
    assert sum(counted) == 4


def test_token_vectors_of_windows_are_refused(encoder: BiEncoder) -> None:
    with pytest.raises(InputError, match="the tokens of several passages"):
        encoder.encode_tokens(["a"], long="chunk")


def test_a_static_encoder_with_a_limit_reads_a_long_text_whole(tmp_path: Path) -> None:
    limited, free = word_pieces(), word_pieces()
    limited.enable_truncation(10)
    make_static_embedding(tmp_path / "limited", limited)
    make_static_embedding(tmp_path / "free", free)
    given = ["a", LONG, "the bus", ""]
    found = BiEncoder(tmp_path / "limited").encode(given, long="chunk")
    np.testing.assert_allclose(found, BiEncoder(tmp_path / "free").encode(given), atol=1e-6)
