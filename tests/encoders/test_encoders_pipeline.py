"""Windows and budgets: however the work is cut up, the vectors stay the same."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference import cosine_distance
from sememe.checkpoint import read
from sememe.encoders import pipeline as pipelines
from sememe.encoders.pipeline import Pipeline, Work, tokenized
from sememe.engines import Engine, open_engine
from sememe.errors import CostWarning
from sememe.progress import Bar
from sememe.text import Tokenizer
from tiny_models import WORDS, Tiny


@pytest.fixture(scope="session")
def engine(tiny: Tiny) -> Engine:
    checkpoint = read(tiny.directory)
    return open_engine(checkpoint, checkpoint.pooling or "tokens", precision="f32")


@pytest.fixture(scope="session")
def tokenizer(tiny: Tiny) -> Tokenizer:
    return Tokenizer(read(tiny.directory))


@pytest.fixture
def pipeline(engine: Engine) -> Pipeline:
    return Pipeline(engine)


def many(count: int) -> list[str]:
    """Different texts of 5 to 25 tokens."""
    words, random = WORDS.split(), np.random.default_rng(0)
    return [" ".join(random.choice(words, size=3 + i % 21)) for i in range(count)]


class Counter(Bar):
    """A progress bar that adds up."""

    def __init__(self) -> None:
        self.done = 0

    def update(self, n: int) -> None:
        self.done += n

    def set_postfix_str(self, s: str) -> None: ...


def run_all(pipeline: Pipeline, tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
    found = np.full((len(texts), pipeline.engine.dim), np.nan, np.float32)
    bar = Counter()
    work = Work[str](None, 99)
    work.bar = bar
    work.begin(texts)
    for batch, vectors in pipeline.values(texts, tokenizer, work):
        assert np.isnan(found[batch.rows]).all(), "a row came twice"
        found[batch.rows] = vectors
    assert bar.done == len(texts)
    assert not np.isnan(found).any(), "a row never came"
    return found


sizes = st.sampled_from([0, 1, 30, 700_000, 2_000_001])


@settings(max_examples=30)
@given(st.lists(st.tuples(sizes, st.integers(1, 20_000)), max_size=4))
def test_windows_cover_all_texts_and_are_bounded(runs: list[tuple[int, int]]) -> None:
    texts = [text for size, count in runs for text in ["x" * size] * (count if size < 99 else 3)]
    windows = list(pipelines._windows(texts))
    assert sum(windows) == len(texts)
    start = 0
    for size in windows:
        assert 0 < size <= 16_384
        # Only a window's last text may lead beyond the limit.
        assert sum(map(len, texts[start : start + size - 1])) <= 2_000_000
        start += size


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, 16_383, 16_384, 16_385, 40_000])
def test_windows_of_tokens_follow_one_another(tokenizer: Tokenizer, count: int) -> None:
    texts = [WORDS.split()[i % 50] for i in range(count)]
    windows = list(tokenized(texts, tokenizer))
    ends = [(first, first + len(tokens.lengths)) for first, tokens in windows]
    assert sum(len(tokens.lengths) for _, tokens in windows) == count
    assert all(a[1] == b[0] for a, b in pairwise(ends))
    if windows:
        expected = tokenizer(texts).ids
        found = np.concatenate([tokens.ids for _, tokens in windows])
        np.testing.assert_array_equal(found, expected)


@pytest.mark.slow
def test_the_same_job_gives_the_same_bits_every_time(
    pipeline: Pipeline, tokenizer: Tokenizer
) -> None:
    texts = many(4500)
    fresh = Pipeline(pipeline.engine)
    np.testing.assert_array_equal(
        run_all(fresh, tokenizer, texts), run_all(pipeline, tokenizer, texts)
    )


@pytest.mark.slow
def test_a_large_job_and_small_ones_give_the_same_vectors(
    pipeline: Pipeline, tokenizer: Tokenizer
) -> None:
    texts = many(4500)
    small = np.concatenate(
        [run_all(pipeline, tokenizer, texts[i : i + 900]) for i in range(0, 4500, 900)]
    )
    assert cosine_distance(run_all(pipeline, tokenizer, texts), small).max() < 1e-6


@pytest.mark.slow
def test_a_long_job_says_so_while_it_has_hardly_begun(
    pipeline: Pipeline, tokenizer: Tokenizer
) -> None:
    ((first, tokens),) = tokenized(many(4500), tokenizer)
    message = r"Encoding 90,000,000,000 texts will take about .* (days|years)\."
    with pytest.warns(CostWarning, match=message):
        for _ in pipeline.run(first, tokens, Work(None, 99), remaining=90_000_000_000):
            pass


def test_a_small_job_is_shared_between_the_streams(
    pipeline: Pipeline, tokenizer: Tokenizer
) -> None:
    texts = many(40)
    ((first, tokens),) = tokenized(texts, tokenizer)
    computed = [len(batch.rows) for batch, _ in pipeline.run(first, tokens, Work(None, 99))]
    assert sum(computed) == 40
    assert len(computed) >= pipeline.engine.streams


def test_a_job_that_is_given_up_leaves_the_engine_usable(
    pipeline: Pipeline, tokenizer: Tokenizer
) -> None:
    texts = many(300)
    ((first, tokens),) = tokenized(texts, tokenizer)
    work = pipeline.run(first, tokens, Work(None, 99))
    next(work)
    work.close()  # type: ignore[attr-defined]
    assert run_all(pipeline, tokenizer, texts).shape == (300, pipeline.engine.dim)
