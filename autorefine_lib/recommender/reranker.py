"""Retrieve and rerank: a recommender picks, and a cross-encoder that reads ad and biography together puts in order."""

from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from autorefine_lib.errors import InputError
from autorefine_lib.models import onednn
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.recommender.scores import check_scores, top_k


class RerankRecommender:
    """Ranks by another recommender, then the best of each ad anew by a cross-encoder (Nogueira and Cho, 2019).

    Args:
        cross_encoder: a sentence-transformers cross-encoder with one output, by folder or Hub name (safetensors).
        first: the recommender that retrieves, with `fit` and `rank`; None takes the packaged MiniLM.
        depth: how many candidates of an ad the cross-encoder reads; all of them where there are fewer.
        batch_size: pairs of ad and biography in one pass.
        max_length: tokens of a pair that are read; None takes the model's own limit.
        device: a torch device; None takes a GPU where there is one.

    Raises:
        InputError: the cross-encoder cannot be loaded or is none, or depth or batch_size is below 1.
    """

    def __init__(
        self,
        cross_encoder: str,
        first: object | None = None,
        depth: int = 100,
        batch_size: int = 32,
        max_length: int | None = None,
        device: str | None = None,
    ):
        for name, value in (("depth", depth), ("batch_size", batch_size)):
            if value < 1:
                raise InputError(f"{name}={value} is not at least 1")
        self.depth, self.batch_size = depth, batch_size
        self._model = _load(cross_encoder, max_length, device)
        onednn.pack(self._model)
        self.first = first or DenseRecommender(device=device)
        self._texts: list[str] = []

    def fit(self, candidates: Dataset) -> "RerankRecommender":
        """Fit the first recommender and keep the `text` column for the cross-encoder."""
        self.first.fit(candidates)
        self._texts = list(candidates["text"])
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Float32 [ads, candidates]: the cross-encoder's logits for those it read.

        The others keep their order and their distances from the first recommender, and are all moved below: the best
        of them is 1 lower than the worst that was read. A text that is read twice gets the same logit up to rounding.

        Raises:
            InputError: called before `fit`, or a model gives a score that is not finite.
        """
        if not self._texts:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        scores = np.array(check_scores(self.first.rank(ads), len(ads), len(self._texts)), np.float32)
        if not len(ads):
            return scores
        chosen = top_k(scores, min(self.depth, len(self._texts)))
        pairs = [(ad, self._texts[index]) for ad, row in zip(ads, chosen, strict=True) for index in row]
        logits = self._model.predict(
            pairs,
            batch_size=self.batch_size,
            activation_fn=torch.nn.Identity(),  # A sigmoid would tie good candidates at 1.
            show_progress_bar=len(pairs) > 10 * self.batch_size,
        )
        logits = check_scores(np.asarray(logits, np.float32).reshape(chosen.shape), *chosen.shape)
        rest = np.ones(scores.shape, bool)
        np.put_along_axis(rest, chosen, False, axis=1)
        if rest.any():
            best = np.where(rest, scores, -np.inf).max(1, keepdims=True)
            scores += logits.min(1, keepdims=True) - 1 - best
        np.put_along_axis(scores, chosen, logits, axis=1)
        return scores


def _load(name: str, max_length: int | None, device: str | None):
    # Imported here: it takes seconds, and only whoever reranks needs it.
    from sentence_transformers import CrossEncoder
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        heads = [each for each in config.architectures or () if each.endswith("ForSequenceClassification")]
        # Without one, transformers would put random weights there and every ranking would be chance.
        if not heads or config.num_labels != 1:
            raise InputError(
                f"{name!r} ({', '.join(config.architectures or ('no architecture',))}, {config.num_labels} outputs) is "
                f"no cross-encoder with one output; take one such as 'cross-encoder/ms-marco-MiniLM-L6-v2'"
            )
        return CrossEncoder(
            name, device=device, max_length=max_length, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        ).eval()
    except InputError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"cross-encoder {name!r} cannot be loaded ({reason}); allowed: a Hub name, or a folder: on a machine with "
            f"network run `hf download {name} --local-dir models/{Path(name).name}`, copy that folder here and name it"
        ) from error
