"""What is promised of every vector: the same alone and in company, and nothing silent."""

import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import cosine_distance
from sememe import BiEncoder
from sememe.engines import Array, Engine
from sememe.errors import ChoiceWarning, GuessWarning, InputError, TruncationWarning
from sememe.text import Batch
from tiny_models import TEXTS, WORDS, Tiny, make_checkpoint

words = st.sampled_from([*WORDS.split(), "zebra", "日本", "42"])
texts = st.lists(words, max_size=5).map(" ".join)


# --- the same text, the same vector ---


@settings(max_examples=30)
@given(company=st.lists(texts, max_size=40), text=texts)
def test_a_text_has_one_vector_in_any_company(
    encoder: BiEncoder, company: list[str], text: str
) -> None:
    alone = encoder.encode(text)
    among = encoder.encode([*company, text, *company[:1]])[len(company)]
    assert cosine_distance(alone, among).max() <= 1e-6


@pytest.mark.slow
def test_a_text_has_one_vector_in_bf16_too(tiny: Tiny) -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this processor has no bfloat16 products")
    encoder = BiEncoder(tiny.directory, precision="bf16")
    assert encoder.precision == "bf16"
    together = encoder.encode(TEXTS)
    alone = np.stack([encoder.encode(text) for text in TEXTS])
    assert cosine_distance(together, alone).max() <= 1e-4
    exact = BiEncoder(tiny.directory, precision="f32").encode(TEXTS)
    assert 0 < cosine_distance(together, exact).max() < 1e-2


def test_a_text_has_one_vector_from_eight_threads_at_once(encoder: BiEncoder) -> None:
    many = [f"{a} {b} {c}" for a in WORDS.split()[:9] for b in WORDS.split()[:7] for c in "xyz"]
    expected = encoder.encode(many)
    orders = [np.random.default_rng(seed).permutation(len(many)) for seed in range(16)]

    def encode(order: np.ndarray) -> Array:
        return np.asarray(encoder.encode([many[i] for i in order]))

    with ThreadPoolExecutor(8) as threads:
        for order, found in zip(orders, threads.map(encode, orders), strict=True):
            assert cosine_distance(found, expected[order]).max() <= 1e-6


@pytest.mark.slow
def test_tokens_from_eight_threads_at_once(tiny: Tiny) -> None:
    encoder = BiEncoder(tiny.directory, precision="f32")  # its token engine is not open yet
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda text: encoder.encode_tokens(text), TEXTS * 3))
    for text, states in zip(TEXTS * 3, found, strict=True):
        np.testing.assert_allclose(states, encoder.encode_tokens(text), atol=1e-5)


def test_an_encoder_opened_twice_gives_the_same_vectors(tiny: Tiny, encoder: BiEncoder) -> None:
    again = BiEncoder(str(tiny.directory), precision="f32")
    np.testing.assert_array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


class Watched:
    """An engine, and a note of every batch that it was given."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name, self.precision, self.streams = engine.name, engine.precision, engine.streams
        self.dim, self.identity, self.budget = engine.dim, engine.identity, engine.budget
        self.batches: list[Batch] = []

    def run(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, Array]]:
        for batch, values in self.engine.run(batches):
            self.batches.append(batch)
            yield batch, values


def test_identical_texts_are_computed_once(tiny: Tiny) -> None:
    encoder = BiEncoder(tiny.directory, precision="f32")
    watched = encoder._pipeline.engine = Watched(encoder._pipeline.engine)
    found = encoder.encode([*TEXTS, *reversed(TEXTS), *TEXTS])
    rows = np.concatenate([batch.rows for batch in watched.batches])
    assert sorted(rows) == list(range(len(TEXTS)))
    np.testing.assert_array_equal(found[: len(TEXTS)], found[len(TEXTS) : 2 * len(TEXTS)][::-1])


# --- nothing silent ---


def test_truncation_is_told_of_once_with_its_numbers(encoder: BiEncoder) -> None:
    # 32 tokens are read, 2 of them special.
    given = ["wind " * 40, "the", "a " * 31, "wind " * 40, "car " * 30, "bus " * 25]
    with pytest.warns(TruncationWarning) as caught:
        encoder.encode(given)
    assert [str(warning.message) for warning in caught] == [
        "3 of 6 texts were longer than the 32 tokens the model reads and were cut: "
        "21 tokens were left out, 10 from the longest text."
    ]
    assert caught[0].filename == __file__


def test_a_prompt_s_tokens_count_towards_the_length(encoder: BiEncoder) -> None:
    with pytest.warns(TruncationWarning, match="1 of 1 texts .* 3 tokens were left out"):
        encoder.encode("bus " * 30, prompt="the power : ")


def test_long_texts_can_be_an_error(encoder: BiEncoder) -> None:
    given = ["fine", "bus " * 30, "wind " * 1000]
    with pytest.raises(InputError, match=r"texts\[2\] has 1,002 tokens and the model reads 32"):
        encoder.encode(given, long="error")
    assert encoder.encode(given[:2], long="error").shape == (2, encoder.dim)


@pytest.mark.slow
def test_a_pooling_that_had_to_be_guessed_is_told_of_once(tmp_path: Path) -> None:
    make_checkpoint(tmp_path / "plain", layout="plain")
    make_checkpoint(tmp_path / "mean")
    with pytest.warns(GuessWarning, match="does not say how to pool") as caught:
        guessed = BiEncoder(tmp_path / "plain", precision="f32")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = BiEncoder(tmp_path / "plain", precision="f32")
    expected = BiEncoder(tmp_path / "mean", precision="f32").encode(TEXTS)
    np.testing.assert_array_equal(guessed.encode(TEXTS), expected)
    np.testing.assert_array_equal(again.encode(TEXTS), expected)


def test_a_pooling_that_the_user_gives_is_no_guess(tmp_path: Path) -> None:
    make_checkpoint(tmp_path, layout="plain")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BiEncoder(tmp_path, precision="f32", pooling="cls")


def test_a_precision_that_was_asked_for_is_no_choice(tiny: Tiny) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ChoiceWarning)
        assert BiEncoder(tiny.directory, precision="f32").precision == "f32"
