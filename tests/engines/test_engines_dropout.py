"""Quick dropout: a mean that stays, a rate that is right, a seed that decides it all."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from transformers import BertConfig, BertModel

from sememe.engines.torch.speed import (
    QuickDropout,
    _attention,
    dropout,
    quicken_dropout,
    unpadded,
)


@pytest.mark.parametrize("rate", [0.004, 0.1, 0.5, 0.9])
def test_the_rate_is_right_and_the_mean_stays(rate: float) -> None:
    torch.manual_seed(0)
    ones = torch.ones(400_000)
    result = dropout(ones, rate)
    zeros = (result == 0).float().mean().item()
    assert abs(zeros - rate) < 1 / 512 + 0.003  # rounded to a 256th, and chance
    assert abs(result.mean().item() - 1) < 0.01
    (kept,) = result[result != 0].unique()
    assert kept.item() == pytest.approx(1 / (1 - zeros), rel=0.03)


@pytest.mark.parametrize(("rate", "expected"), [(0.0, 1.0), (1.0, 0.0)])
def test_all_or_nothing_is_dropout(rate: float, expected: float) -> None:
    assert torch.equal(dropout(torch.ones(9), rate), torch.full((9,), expected))


@pytest.mark.slow
@given(
    shape=st.lists(st.integers(0, 7), min_size=1, max_size=4),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
    seed=st.integers(0, 2**40),
)
def test_gradients_flow_only_where_values_were_kept(
    shape: list[int], dtype: Any, seed: int
) -> None:
    torch.manual_seed(seed)
    x = torch.ones(shape, dtype=dtype, requires_grad=True)
    result = dropout(x, 0.5)
    assert (result.shape, result.dtype) == (x.shape, dtype)
    result.sum().backward()
    assert torch.equal(x.grad, result.detach())
    assert set(x.grad.flatten().tolist()) <= {0.0, 2.0}


def test_torch_s_seed_is_all_that_decides() -> None:
    x = torch.ones(1000)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, second = dropout(x, 0.3), dropout(x, 0.3)
    assert not torch.equal(first, second)
    torch.set_rng_state(state)
    assert torch.equal(dropout(x, 0.3), first)
    assert torch.equal(dropout(x, 0.3), second)
    torch.manual_seed(2)
    assert not torch.equal(dropout(x, 0.3), first)


def test_neighbours_are_dropped_independently() -> None:
    torch.manual_seed(0)
    zeros = (dropout(torch.ones(200_000), 0.5) == 0).float()
    for step in (1, 2, 8, 64):
        both = (zeros[step:] * zeros[:-step]).mean().item()
        assert abs(both - 0.25) < 0.005, step


def test_every_dropout_within_a_module_is_quickened() -> None:
    bert = BertModel(BertConfig(hidden_size=8, num_attention_heads=2, intermediate_size=8,
                                num_hidden_layers=2, vocab_size=20))  # fmt: skip
    before = sum(type(module) is torch.nn.Dropout for module in bert.modules())
    quicken_dropout(bert)
    quick = [module for module in bert.modules() if type(module) is QuickDropout]
    assert len(quick) == before > 4
    assert {module.p for module in quick} == {0.1}
    assert not any(type(module) is torch.nn.Dropout for module in bert.modules())
    x = torch.randn(100)
    assert torch.equal(quick[0].eval()(x), x)
    assert not torch.equal(quick[0].train()(x), x)


# --- attention without padding ---

LENGTHS = [5, 1, 8]


def attended(rate: float, window: int | None = None, causal: bool = False) -> tuple[Any, Any]:
    """Attention of three texts in one row, and torch's own of each text by itself."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 4, sum(LENGTHS), 6) for _ in range(3))
    ends = torch.tensor([0, *LENGTHS]).cumsum(0).int()
    result, _ = _attention(
        torch.nn.Module(), q, k, v, None, dropout=rate, scaling=0.3, is_causal=causal,
        cu_seq_lens_q=ends, max_length_q=max(LENGTHS), sliding_window=window,
    )  # fmt: skip
    alone = []
    for start, length in zip(ends.tolist(), LENGTHS, strict=False):
        own = slice(start, start + length)
        places = torch.arange(length)
        far = places - places[:, None]
        seen = (far.abs() < window) if window else torch.ones_like(far).bool()
        mask = seen & (far <= 0) if causal else seen
        alone.append(
            functional.scaled_dot_product_attention(
                q[:, :, own], k[:, :, own], v[:, :, own], attn_mask=mask, scale=0.3
            )
        )
    return result, torch.cat(alone, 2).transpose(1, 2)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 3])
def test_without_dropout_unpadded_attention_is_torch_s(window: int | None, causal: bool) -> None:
    result, expected = attended(0.0, window, causal)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("window", [None, 3])
def test_dropout_that_drops_nothing_is_torch_s_too(window: int | None) -> None:
    # 1e-9 goes the way of dropout, and rounds to none at all.
    result, expected = attended(1e-9, window)
    torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-6)


def test_its_gradients_in_bf16_are_those_in_float32() -> None:
    torch.manual_seed(0)
    values = torch.randn(3, 1, 4, sum(LENGTHS), 6)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        projections = values.to(dtype, copy=True).requires_grad_()
        result, _ = _attention(
            torch.nn.Module(), projections[0], projections[1], projections[2],
            dropout=0.0, scaling=0.3, is_causal=False, max_length_q=max(LENGTHS),
            cu_seq_lens_q=torch.tensor([0, *LENGTHS]).cumsum(0).int(),
        )  # fmt: skip
        result.float().square().sum().backward()
        gradients.append(projections.grad.float())
    torch.testing.assert_close(*gradients, rtol=0.05, atol=0.05)


def test_dropout_changes_attention() -> None:
    result, expected = attended(0.2)
    assert (result - expected).abs().max() > 0.05


@pytest.mark.slow
def test_an_unpadded_model_drops_out_in_training_alone() -> None:
    torch.manual_seed(0)
    config = BertConfig(hidden_size=16, num_attention_heads=2, intermediate_size=16,
                        num_hidden_layers=1, vocab_size=30, hidden_dropout_prob=0.0)  # fmt: skip
    bare = unpadded(BertModel(config).eval())
    ids = torch.randint(5, 30, (2, 6))
    fed = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        still = bare(**fed)[0]
        assert torch.equal(bare(**fed)[0], still)
        bare.train()  # only attention drops out here
        draws = torch.stack([bare(**fed)[0] for _ in range(200)])
    assert (draws[0] - still).abs().max() > 1e-3
    # LayerNorm bends the mean a little.
    assert (draws.mean(0) - still).abs().mean() < 0.1 * (draws - still).abs().mean() + 0.01
