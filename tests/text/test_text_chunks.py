"""Long texts as windows of token ids, by tokenizers of three kinds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sememe.checkpoint import read
from sememe.errors import InputError
from sememe.text import Tokenizer, chunked
from tiny_architectures import tokenizer_of
from tiny_models import WORDS, edit_json, make_checkpoint

pieces = st.sampled_from(
    [
        *WORDS.split()[:20],
        "zebra",
        "x" * 30,
        "日本",
        "。",
        ". ",
        "! ",
        "\n",
        "  ",
        "👩‍👩‍👧",
        "é",
        "[SEP]",
    ]
)
LIMIT = 16
texts = st.lists(pieces, max_size=60).map(lambda some: " ".join(some).replace(" . ", ". "))


@pytest.fixture(scope="module", params=["word pieces", "bytes", "unigram"])
def tokenizer(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Tokenizer:
    folder: Path = tmp_path_factory.mktemp("model")
    make_checkpoint(folder, max_length=LIMIT)
    tokenizer_of(request.param).save(str(folder / "tokenizer.json"))
    edit_json(folder / "config.json", vocab_size=1000)
    return Tokenizer(read(folder))


def _own(tokenizer: Tokenizer, text: str) -> list[int]:
    """All ids of a text, special tokens included, as if there were no limit."""
    (encoding,) = tokenizer.encodings([text])
    parts = [encoding.ids[:-1], *(piece.ids[1:-1] for piece in encoding.overflowing)]
    return [*(token for part in parts for token in part), encoding.ids[-1]]


def _rows(tokenizer: Tokenizer, text: str, prompt: str = "") -> list[list[int]]:
    tokens = chunked(tokenizer, prompt, [text]).tokens
    return [tokens.padded(np.array([row]))[0].tolist() for row in range(len(tokens.lengths))]


@pytest.mark.slow
@given(texts)
def test_the_windows_of_a_text_hold_all_of_it_in_order(tokenizer: Tokenizer, text: str) -> None:
    whole, rows = _own(tokenizer, text), _rows(tokenizer, text)
    if len(whole) <= LIMIT:
        assert rows == [whole]
        return
    assert len(rows) > 1
    begun = {1}  # where the next window may begin: an eighth of 14 tokens, so one, may come again
    for row in rows:
        assert len(row) <= LIMIT
        assert (row[0], row[-1]) == (whole[0], whole[-1])
        places = {at for end in begun for at in (end - 1, end)}
        begun = {at + len(row) - 2 for at in places if whole[at : at + len(row) - 2] == row[1:-1]}
    assert len(whole) - 1 in begun


@pytest.mark.parametrize("prompt", ["the power: ", "query "])
def test_the_prompt_is_in_front_of_every_window(tokenizer: Tokenizer, prompt: str) -> None:
    rows = _rows(tokenizer, "zebra 42. " * 12, prompt)
    before = len(_own(tokenizer, prompt.strip())) - 1
    assert len(rows) > 3
    assert len({tuple(row[:before]) for row in rows}) == 1
    assert all(len(row) <= LIMIT for row in rows)
    joint = _own(tokenizer, prompt + "zebra 42. " * 12)
    assert rows[0][:-1] == joint[: len(rows[0]) - 1]


def test_shares_are_of_each_text_s_own_tokens(tokenizer: Tokenizer) -> None:
    chunks = chunked(tokenizer, "", ["the wind", "", "the new car. " * 9, "a"])
    assert chunks.first.tolist()[:3] == [0, 1, 2]
    np.testing.assert_allclose(np.add.reduceat(chunks.share, chunks.first), 1, rtol=1e-6)
    assert chunks.share[[0, 1, -1]].tolist() == [1, 1, 1]
    sizes = chunks.tokens.lengths[2:-1] - 2
    np.testing.assert_allclose(chunks.share[2:-1], sizes / sizes.sum(), rtol=1e-6)


def test_a_prompt_that_fills_the_window_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(InputError, match="no room for a text"):
        chunked(tokenizer, "the power " * 30, ["the wind"])
