"""What a cascade cost, and whether the cross-encoder was trusted: as values, and in words."""

from dataclasses import asdict, dataclass
from typing import Any

from sememe.cascade.labels import Gain
from sememe.cascade.scores import Reader
from sememe.cascade.trust import FEWEST, Trust
from sememe.progress import counted

UNMOVED = "The result is the bi-encoder's alone."


@dataclass(frozen=True)
class CascadeReport:
    """What a cascade cost, and whether the cross-encoder was trusted; `print` says it in words.

    Attributes:
        pairs: how many pairs the cross-encoder read.
        cached: how many of these an earlier run had paid for.
        budget: how many it was allowed to read; None where the budget was a time.
        spared: how many pairs there are beside those that it read.
        seconds: how long it took to read.
        tau: how well its scores tell which neighbours share a cluster of the bi-encoder's, where
            the cosine is the same: a partial correlation. None where it was not judged.
        tau_error: its standard error.
        tau_bound: what tau must be above.
        rho: how much the map counts beside the cosine, 0 to 1.5; 0 where it is not trusted.
        rounds: how many times the map was fitted.
        trusted: whether the cross-encoder was listened to; if not, the result is the bi-encoder's.
        why: the reason, a sentence.
        gain: what labels said, where there were some.
        target: the gain that was wanted, where one was.
    """

    pairs: int
    cached: int
    budget: int | None
    spared: int
    seconds: float
    tau: float | None
    tau_error: float | None
    tau_bound: float | None
    rho: float
    rounds: int
    trusted: bool
    why: str
    gain: Gain | None = None
    target: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as a plain dict, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "CascadeReport":
        """The report that `to_dict` made a dict of."""
        gain = values.get("gain")
        return cls(**{**values, "gain": gain and Gain(**gain)})

    def __repr__(self) -> str:
        allowed = "" if self.budget is None else f" of {self.budget:,} allowed"
        cached = f", {self.cached:,} of them from earlier runs" if self.cached else ""
        return (
            f"{self.why} The cross-encoder read {counted(self.pairs, 'pair')}{allowed}{cached}, in "
            f"{self.seconds:.1f} s, and {counted(self.spared, 'pair')} did not have to be read."
        )


def report(
    reader: Reader,
    trust: Trust | None,
    rho: float = 0.0,
    rounds: int = 0,
    gain: Gain | None = None,
    target: float | None = None,
) -> CascadeReport:
    """The report of a run; without trust, labels have judged, or there was too little to judge."""
    if trust is None and gain is not None:
        trusted, why = gain.is_enough, _reason_of_duplicates(gain)
    else:
        trusted, why = rho > 0, _reason(trust, rho, gain, target)
    return CascadeReport(
        pairs=reader.spent,
        cached=reader.cached,
        budget=reader.budget,
        spared=len(reader.texts) * (len(reader.texts) - 1) // 2 - reader.spent,
        seconds=reader.seconds,
        tau=None if trust is None else trust.tau,
        tau_error=None if trust is None else trust.error,
        tau_bound=None if trust is None else trust.bound,
        rho=rho,
        rounds=rounds,
        trusted=trusted,
        why=why,
        gain=gain,
        target=target,
    )


def _reason(trust: Trust | None, rho: float, gain: Gain | None, target: float | None) -> str:
    if trust is None:
        few = f"fewer than {FEWEST} pairs are too few to judge a cross-encoder by"
        return f"Not trusted: {few}. {UNMOVED}"
    figures = f"(tau {trust.tau:.3f} ± {trust.error:.3f}, bound {trust.bound:.3f})"
    if gain is None:
        return _reason_of_tau(trust, rho, figures)
    if not gain.is_clear_of(0):
        reason = f"{_reason_of_tau(trust, rho, figures)} The labels leave it open: {gain}."
    elif rho:
        reason = f"Trusted: {gain}. The map counts with a weight of {rho:.2f} {figures}."
    else:
        reason = f"Not trusted: {gain}. {UNMOVED}"
    if target is None:
        return reason
    outcome = "is neither reached nor ruled out within the budget"
    if gain.is_clear_of(target):
        outcome = "is reached" if gain.low > target else "won't come"
    return f"{reason} The gain that was wanted, {100 * target:+.1f} points, {outcome}."


def _reason_of_tau(trust: Trust, rho: float, figures: str) -> str:
    if rho:
        return (
            "Trusted: its scores tell more about which neighbours belong together than the cosine "
            f"does {figures}, and count with a weight of {rho:.2f}."
        )
    if trust.tau < -trust.bound:
        finding = "its scores contradict the bi-encoder's clusters"
    elif trust.error == 0:
        finding = "it gives every pair the same score"
    elif trust.is_enough:
        finding = "the map that its scores taught adds nothing to the cosine"
    else:
        finding = (
            "its scores hardly tell more about which neighbours belong together than the cosine "
            "does"
        )
    return f"Not trusted: {finding} {figures}. {UNMOVED}"


def _reason_of_duplicates(gain: Gain) -> str:
    if not gain.is_enough:
        return f"Not trusted: {gain}. {UNMOVED}"
    caution = "" if gain.low > 0 else "; more labels would make that surer"
    return (
        f"Trusted: {gain}{caution}. Cosine, map and cross-encoder count {gain.cosine:.2f}, "
        f"{gain.map:.2f} and {gain.cross:.2f}."
    )
