"""What does the arithmetic: one contract, one folder or file an engine."""

from sememe.engines.engine import Array, Engine
from sememe.engines.open import open_engine

__all__ = ["Array", "Engine", "open_engine"]
