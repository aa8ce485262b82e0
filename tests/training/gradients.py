"""Gradients taken off modules, and whether they are as they should be."""

from typing import Any

import torch


def gradients(*modules: Any) -> dict[str, Any]:
    """All gradients of some modules, which are cleared."""
    found = {
        f"{i} {name}": weight.grad.clone()
        for i, module in enumerate(modules)
        for name, weight in module.named_parameters()
        if weight.grad is not None
    }
    for module in modules:
        module.zero_grad()
    return found


def assert_alike(found: dict[str, Any], expected: dict[str, Any], tolerance: float = 1e-4) -> None:
    assert found.keys() == expected.keys()
    assert any(gradient.any() for gradient in expected.values())
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        atol = tolerance * float(gradient.abs().max()) + 1e-6 * largest
        torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=atol)
