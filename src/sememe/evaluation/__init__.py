"""How good a model is: its figure on held-out examples, an interval, a paired test, a verdict."""
