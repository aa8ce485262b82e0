"""Group texts by meaning: clusters with names, examples, outliers and a map."""

from sememe.clustering.grouping import cluster, cluster_vectors
from sememe.clustering.result import Cluster, Clusters
from sememe.protocols import Encoder

__all__ = ["Cluster", "Clusters", "Encoder", "cluster", "cluster_vectors"]
