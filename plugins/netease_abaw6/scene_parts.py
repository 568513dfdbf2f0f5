"""Descriptors to parts: how many there are, which is whose, and none too small.

Shapes: V videos, D reduced descriptor, K parts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats64 = NDArray[np.float64]
Parts = NDArray[np.int64]


def cluster(reduced_VD: Floats64, k: int, most: int, seed: int) -> Parts:
    """part_V by k-means; with k = 0, as many parts as have the highest silhouette, 2 to `most` of them.

    Two equal silhouettes: the smaller number. Fewer distinct descriptors than parts asked for: as many parts as those.
    """
    distinct = len(np.unique(reduced_VD.round(9), axis=0))
    if k:
        return _kmeans(reduced_VD, min(k, distinct), seed)
    from sklearn.metrics import silhouette_score

    tried = [_kmeans(reduced_VD, n, seed) for n in range(2, min(most, distinct - 1, len(reduced_VD) - 1) + 1)]
    if not tried:
        return _kmeans(reduced_VD, 1, seed)
    return max(tried, key=lambda part_V: float(silhouette_score(reduced_VD, part_V)))


def _kmeans(reduced_VD: Floats64, k: int, seed: int) -> Parts:
    from sklearn.cluster import KMeans

    part_V: Parts = KMeans(k, n_init=10, random_state=seed % 2**32).fit(reduced_VD).labels_
    return part_V


def merge_small(reduced_VD: Floats64, part_V: Parts | NDArray[np.int32], minimum: int) -> Parts:
    """Merge the smallest part into the one with the nearest mean while it has fewer than `minimum` videos; renumber."""
    part_V = np.unique(part_V, return_inverse=True)[1]
    while part_V.max() > 0 and np.bincount(part_V).min() < minimum:
        small = int(np.bincount(part_V).argmin())
        means_KD = np.stack([reduced_VD[part_V == part].mean(axis=0) for part in range(part_V.max() + 1)])
        distance_K = np.linalg.norm(means_KD - means_KD[small], axis=1)
        distance_K[small] = np.inf
        part_V = np.where(part_V == small, int(distance_K.argmin()), part_V)
        part_V = np.unique(part_V, return_inverse=True)[1]
    return np.asarray(part_V, dtype=np.int64)
