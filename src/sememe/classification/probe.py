"""The probe: logistic regression on vectors that stay as they are (Alain & Bengio, 2016)."""

import warnings

import numpy as np
import numpy.typing as npt

from sememe.classification.head import Floats
from sememe.extras import importing

_CS = [0.1, 1.0, 10.0, 100.0]
_USUAL = 10.0
"""Of vectors of length 1, where cross-validation cannot tell."""
_FOLDS, _TRIED_ON, _ITERATIONS = 5, 5000, 1000


def fit(
    vectors: Floats, targets: npt.NDArray[np.int32], *, seed: int = 0
) -> tuple[Floats, Floats, float]:
    """Weight (labels, dim) and bias (labels,) from vectors (n, dim) and places among the labels.

    The third is C, the inverse of the penalty on large weights: the one whose probabilities of the
    true labels are best in cross-validation. Every label has an example.

    Raises:
        MissingExtra: scikit-learn is not installed.
    """
    with importing("sklearn", purpose="training a classifier"):
        from sklearn.linear_model import LogisticRegression
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that many labels look like numbers
        c = _best(vectors, targets, seed)
        found = LogisticRegression(C=c, max_iter=_ITERATIONS).fit(vectors, targets)
    weight, bias = found.coef_, found.intercept_
    if len(weight) == 1:  # of two labels scikit-learn keeps the difference
        weight, bias = np.vstack([0 * weight, weight]), np.append(0 * bias, bias)
    return np.asarray(weight, np.float32), np.asarray(bias, np.float32), c


def _best(vectors: Floats, targets: npt.NDArray[np.int32], seed: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    tried = np.random.default_rng(seed).permutation(len(targets))[:_TRIED_ON]
    # A label with one example is either not learned or not tried.
    tried = tried[np.bincount(targets[tried])[targets[tried]] > 1]
    counts = np.unique(targets[tried], return_counts=True)[1]
    if len(counts) < 2:
        return _USUAL
    folds = StratifiedKFold(min(_FOLDS, counts.min()), shuffle=True, random_state=seed)
    search = GridSearchCV(
        LogisticRegression(max_iter=_ITERATIONS),
        {"C": _CS},
        scoring="neg_log_loss",
        cv=folds,
        refit=False,
    )
    return float(search.fit(vectors[tried], targets[tried]).best_params_["C"])
