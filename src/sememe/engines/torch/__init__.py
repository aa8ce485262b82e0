"""The engine for GPUs, for every architecture that transformers knows, and for training."""

from sememe.engines.torch.runtime import TorchEngine

__all__ = ["TorchEngine"]
