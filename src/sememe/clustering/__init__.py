"""Group texts by meaning: clusters with names, examples, outliers and a map."""

from sememe.clustering.grouping import cluster
from sememe.clustering.membership import Assignment
from sememe.clustering.result import Clusters
from sememe.clustering.terms import Cluster
from sememe.protocols import Encoder

__all__ = ["Assignment", "Cluster", "Clusters", "Encoder", "cluster"]
