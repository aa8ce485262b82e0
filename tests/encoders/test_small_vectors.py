"""int8 and binary vectors: small, and every text's code its own, whatever else is in the batch."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sememe import BiEncoder
from sememe.encoders.vectors import VectorOptions, finish
from sememe.errors import InputError
from tiny_models import make_checkpoint

TEXTS = ["the sun is bright", "a cold wind", "", "the bus and the car", "power"]


def test_a_single_text_has_the_code_it_has_among_others(default_encoder: BiEncoder) -> None:
    for dtype in ("int8", "binary"):
        together = default_encoder.encode(TEXTS, dtype=dtype)
        for row, text in enumerate(TEXTS):
            alone = default_encoder.encode([text], dtype=dtype)[0]
            assert alone.any()
            assert np.mean(alone != together[row]) < 0.02


def test_shapes_and_types(default_encoder: BiEncoder) -> None:
    for dtype, kind, columns in (("int8", np.int8, 384), ("binary", np.uint8, 48)):
        for texts in (TEXTS, []):
            found = default_encoder.encode(texts, dtype=dtype)
            assert found.dtype == kind
            assert found.shape == (len(texts), columns)
    assert default_encoder.encode("a", dtype="binary", truncate_dim=64).shape == (8,)


def test_int8_cosines_are_near_the_exact_ones(default_encoder: BiEncoder) -> None:
    for options in ({}, {"truncate_dim": 128}, {"normalize": False}):
        exact = default_encoder.encode(TEXTS, **options)
        small = default_encoder.encode(TEXTS, dtype="int8", **options)
        np.testing.assert_allclose(
            default_encoder.similarity(small, small),
            default_encoder.similarity(exact, exact),
            atol=0.02,
        )


def test_bits_are_the_signs(default_encoder: BiEncoder) -> None:
    bits = np.unpackbits(default_encoder.encode(TEXTS, dtype="binary"), axis=1)
    np.testing.assert_array_equal(bits, default_encoder.encode(TEXTS) > 0)


def test_bits_must_fill_bytes(tmp_path: Path) -> None:
    make_checkpoint(tmp_path)
    encoder = BiEncoder(tmp_path, precision="f32")
    with pytest.raises(InputError, match="8 components a byte, and vectors have 13"):
        encoder.encode(["a"], dtype="binary", truncate_dim=13)


@given(
    arrays.arrays(np.float32, (4, 6), elements=st.floats(-2, 2, width=32)),
    st.floats(0.01, 2),
)
def test_int8_codes_are_bounded_and_in_order(vectors: np.ndarray, limit: float) -> None:
    codes = finish(vectors, VectorOptions(dtype="int8", limit=limit))
    assert codes.dtype == np.int8
    assert abs(codes.astype(int)).max() <= 127
    order = np.argsort(vectors.ravel(), kind="stable")
    assert (np.diff(codes.ravel()[order].astype(int)) >= 0).all()
    inside = np.abs(vectors) <= limit
    assert (np.abs(codes * (limit / 127) - vectors)[inside] <= limit / 127 * 0.501).all()


@pytest.mark.slow
def test_ranges_of_another_pooling_are_not_taken(default_model: str) -> None:
    encoder = BiEncoder(default_model, precision="f32", pooling="max")
    with pytest.raises(InputError, match="were measured for mean, and this encoder pools by max"):
        encoder.encode(TEXTS, dtype="int8")
