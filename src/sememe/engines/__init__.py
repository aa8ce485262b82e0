"""What does the arithmetic: one contract, one folder or file an engine."""

from sememe.engines.engine import Array, Engine
from sememe.engines.open import load_ahead, open_engine

__all__ = ["Array", "Engine", "load_ahead", "open_engine"]
