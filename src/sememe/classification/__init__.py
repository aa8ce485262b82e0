"""Labels for texts: a bi-encoder's vectors, and one linear layer behind them."""
