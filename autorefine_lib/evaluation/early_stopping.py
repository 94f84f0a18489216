"""Early stopping: of all policies that a training passes through, keep the one that does best on held-out ads.

What is trained is a policy that samples, by a soft gap and sentence by sentence; what is deployed takes the likeliest
rewrite of all sentences at once. A training that goes on until the sampled rewrites reach parity may end beyond it, and
what closes the gap of one setting may open that of another. Held-out ads, rewritten as they would be deployed, tell
where to stop (Prechelt, 1998, "Early stopping - but when?"): where their settings are closest to parity, from either
side (`LearningCurve.add`).
"""

import math
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic


class BestPolicy:
    """Keeps the trainable weights of the best policy so far in a file, so that an interrupted training finds them.

    Args:
        path: a safetensors file; what an earlier part of the same training left there counts.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.score, self.step = -math.inf, 0  # of the policy that is kept; none is yet
        if self.path.is_file():
            with safe_open(self.path, framework="pt") as kept:
                self.score, self.step = float(kept.metadata()["score"]), int(kept.metadata()["step"])

    def offer(self, model: nn.Module, score: float, step: int) -> bool:
        """Keep the trainable weights of `model` if `score` is higher than all before; returns whether it is.

        Raises:
            InputError: `score` is not a number.
        """
        if math.isnan(score):
            raise InputError(f"the score of step {step} is NaN; give held-out ads whose parity can be told")
        if score <= self.score:
            return False
        weights = {name: weight.detach().cpu().contiguous() for name, weight in _trainable(model).items()}
        facts = {"format": "pt", "score": repr(float(score)), "step": str(step)}
        write_atomic(self.path, lambda place: save_file(weights, place, metadata=facts))
        self.score, self.step = float(score), step
        return True

    @torch.no_grad()
    def restore(self, model: nn.Module) -> int:
        """Give `model`, the one that was trained, the weights that are kept; returns their step.

        Raises:
            InputError: nothing is kept.
        """
        if not self.path.is_file():
            raise InputError(f"{self.path}: no policy was kept; look at held-out ads at least once while training")
        with safe_open(self.path, framework="pt") as kept:
            for name, weight in _trainable(model).items():
                weight.copy_(kept.get_tensor(name))
        return self.step


def _trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
