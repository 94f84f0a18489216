"""What a rewrite earns and what it costs: the settings of the reward."""

from dataclasses import dataclass

import numpy as np

from autorefine_lib.errors import InputError
from autorefine_lib.text import faithfulness
from autorefine_lib.text.guards import GUARDS

SIGNALS = ("selection", "projection", "hard")
"""What a move towards parity can be measured by; `LinearGap.signals` says how."""
LOSSES = ("mrr_loss", "ndcg_loss")
"""The parts that are taken off, each between 0 and 1."""


@dataclass(frozen=True)
class RewardConfig:
    """What a rewrite's reward is made of; every weight is in units of the gap, a natural logarithm of a ratio."""

    signal: str = "projection"
    """One of `SIGNALS`: the move towards parity that is paid for. The hard selection is reported whatever is paid. The
    projection has least in common with it, but it alone can be learned from texts (`reward_gate.predictability`)."""
    w_parity: float = 1.0
    """Weight of the move towards parity."""
    w_quality: float = 0.2
    """Weight of the MRR and the NDCG@k lost against the original ad; gains are not paid."""
    w_violation: float = 0.03
    """Taken off for a completion that is refused; the text it was to replace stays."""
    w_protected: float = 0.2
    """Taken off for a completion that names a protected attribute which its source does not name."""
    smoothing: float = 0.2
    """Width of the soft threshold at rank k, in standard deviations of the scores of the ad's pool. Narrower follows
    the hard top k more closely, wider is less noisy but pays for places far below it: of 1,212 people, 1 puts 7 % of
    its weight inside the top 20, 0.25 puts 47 % there, 0.1 puts 78 %."""
    guards: tuple[str, ...] = GUARDS
    """The guards that a rewrite must pass (`guards.GUARDS`); leave one out to see what it is for."""

    def __post_init__(self) -> None:
        if self.signal not in SIGNALS:
            raise InputError(f"signal={self.signal!r} is not one of {', '.join(SIGNALS)}")
        for name in ("w_parity", "w_quality", "w_violation", "w_protected"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(f"{name}={getattr(self, name)} is negative or no number; allowed: 0 or more")
        if self.w_protected < self.w_violation:
            raise InputError(f"w_protected={self.w_protected} is below w_violation={self.w_violation}; raise it")
        if not self.smoothing > 0:
            raise InputError(f"smoothing={self.smoothing} is not above 0; choose for instance 0.25")
        faithfulness.check_guards(self.guards)
