"""How good scores, labels, clusters and rankings are, and how sure one can be of it."""

from sememe.metrics.bootstrap import Comparison, Interval, interval, paired_test
from sememe.metrics.clusterings import adjusted_mutual_info, adjusted_rand, v_measure
from sememe.metrics.correlation import pearson, spearman
from sememe.metrics.labels import accuracy, f1, f1_by_class
from sememe.metrics.ranking import mean_average_precision, ndcg, recall, reciprocal_rank
from sememe.metrics.relevance import BestF1, average_precision, best_f1
from sememe.metrics.triplets import triplet_accuracy, triplet_margins

__all__ = [
    "BestF1",
    "Comparison",
    "Interval",
    "accuracy",
    "adjusted_mutual_info",
    "adjusted_rand",
    "average_precision",
    "best_f1",
    "f1",
    "f1_by_class",
    "interval",
    "mean_average_precision",
    "ndcg",
    "paired_test",
    "pearson",
    "recall",
    "reciprocal_rank",
    "spearman",
    "triplet_accuracy",
    "triplet_margins",
    "v_measure",
]
