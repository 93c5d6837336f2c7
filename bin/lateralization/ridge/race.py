"""A race of penalties over the voxels: those that cannot be the best any more drop out early.

The best penalty is the one with the largest mean r over all voxels. Seen in random order, a part of
the voxels says long before the end which penalties cannot win, whatever the rest holds. What is
dropped is decided by betting against it (Waudby-Smith & Ramdas, "Estimating means of bounded random
variables by betting", JRSS B 2024, section 4 on sampling without replacement): as long as a penalty
is in truth as good as the leader, the wealth of that bet is a non-negative supermartingale, so that
it ever grows by the factor 1 / risk with probability of at most ``risk`` (Ville's inequality).
Nothing is assumed of the voxels but that r lies between -1 and 1.
"""

import numpy as np

from lateralization.arrays import Floats

RISK = 1e-9
"""Bound on the probability that a search does not give the answer of the exhaustive one."""

LARGEST = 2.0
"""No difference of two correlations is larger."""

STAKE = 0.9
"""Largest share of the wealth that one voxel can take away."""

BET = 0.45
"""Bet per unit of difference: what grows fastest for differences of a few hundredths."""


class Race:
    """The penalties of one validation run, and how each fares against the leader.

    Parameters
    ----------
    n_alphas, n_voxels : int
        Penalties at the start, and voxels in all.
    risk : float
        Bound on the probability that the best penalty drops out; 0 lets none drop out.
    margin : float
        Only penalties whose mean r is worse than the leader's by more than this drop out.
    """

    def __init__(self, n_alphas: int, n_voxels: int, risk: float, margin: float) -> None:
        self.n_voxels, self.margin = n_voxels, margin
        with np.errstate(divide="ignore"):
            self.goal = np.log(n_alphas) - np.log(risk)
        self.alive = np.ones(n_alphas, bool)
        self.sums = np.zeros(n_alphas)
        self.log_wealth = np.zeros(n_alphas)
        self.seen = 0
        self.leader: int | None = None

    def see(self, r: Floats) -> None:
        """Take the next voxels, (n_alive, n) for the penalties that are left, in their order.

        The voxels must come in an order that was drawn at random before any was seen. The first
        ones choose the leader; the bets are placed on those that follow.
        """
        if self.leader is not None:
            self._bet(r, self.leader)
        self.sums[self.alive] += r.sum(1)
        self.seen += r.shape[1]
        if self.leader is None and self.seen:
            self.leader = int(self.sums.argmax())
        self.alive &= self.log_wealth < self.goal

    def _bet(self, r: Floats, leader: int) -> None:
        """Bet against every penalty that is left, voxel by voxel."""
        places = np.flatnonzero(self.alive)
        ahead = r - r[places == leader] + self.margin
        before = self.sums[places] - self.sums[leader] + self.seen * self.margin
        total = before[:, None] + np.cumsum(ahead, axis=1) - ahead
        left = self.n_voxels - self.seen - np.arange(r.shape[1])
        # What the voxels that are left must have on average for the penalty to be as good.
        needed = -total / left
        bet = np.minimum(BET, STAKE / np.maximum(LARGEST + self.margin - needed, STAKE / BET))
        self.log_wealth[places] += np.log1p(bet * (needed - ahead)).sum(1)

    def means(self) -> Floats:
        """Return the mean r of each penalty over the voxels seen; NaN if it dropped out."""
        return np.where(self.alive, self.sums / self.seen, np.nan)
