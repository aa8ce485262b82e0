"""Labels for texts: a bi-encoder's vectors, and one linear layer behind them."""

from sememe.classification.classifier import Classifier
from sememe.classification.training import train_classifier

__all__ = ["Classifier", "train_classifier"]
