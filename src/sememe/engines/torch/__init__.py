"""The engine for GPUs, for every architecture that transformers knows, and for training."""
