"""Retrieve and rerank: a first recommender picks candidates, a cross-encoder reads ad and biography together."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from datasets import Dataset

from autorefine_lib.errors import InputError, explain_download
from autorefine_lib.recommender.dense import DenseRecommender
from autorefine_lib.recommender.scores import check_scores, top_k

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder

    from autorefine_lib.recommender.by_name import Recommender


class RerankRecommender:
    """Ranks by a first recommender, then orders the best of each ad by a cross-encoder (Nogueira and Cho, 2019).

    Args:
        cross_encoder: a sentence-transformers cross-encoder with one output, by folder or Hub name (safetensors). It
            computes in float32.
        first: the recommender that retrieves; None takes the packaged MiniLM.
        depth: number, at least 1, of candidates of an ad that the cross-encoder reads; all of them if there are fewer.

    Raises:
        InputError: the cross-encoder cannot be loaded or is none.
    """

    def __init__(self, cross_encoder: str, first: "Recommender | None" = None, depth: int = 100) -> None:
        self.depth = depth
        self._model = _load_cross_encoder(cross_encoder)
        self.first = first or DenseRecommender()
        self._texts: list[str] = []

    def fit(self, candidates: Dataset) -> "RerankRecommender":
        """Fit the first recommender and keep the `text` column for the cross-encoder."""
        self.first.fit(candidates)
        self._texts = list(candidates["text"])
        return self

    def rank(self, ads: list[str]) -> np.ndarray:
        """Float32 [ads, candidates]: the cross-encoder's logits for the candidates that it read.

        The others keep the order and the distances that the first recommender gave them, and are all moved below: the
        best of them is 1 lower than the worst that was read. Equal pairs of texts get equal logits up to rounding,
        since pairs of different lengths are padded here.

        Raises:
            InputError: it is called before `fit`, or a model gives a score that is not finite.
        """
        if not self._texts:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        scores = np.array(check_scores(self.first.rank(ads), len(ads), len(self._texts)), np.float32)
        if not ads:
            return scores
        chosen = top_k(scores, min(self.depth, len(self._texts)))
        pairs = [(ad, self._texts[index]) for ad, row in zip(ads, chosen, strict=True) for index in row]
        logits = self._model.predict(
            pairs,
            activation_fn=torch.nn.Identity(),  # A sigmoid would tie good candidates at 1.
            show_progress_bar=len(pairs) > 320,
        )
        logits = check_scores(np.asarray(logits, np.float32).reshape(chosen.shape), *chosen.shape)
        rest = np.ones(scores.shape, bool)
        np.put_along_axis(rest, chosen, False, axis=1)
        if rest.any():
            best = np.where(rest, scores, -np.inf).max(1, keepdims=True)
            scores += logits.min(1, keepdims=True) - 1 - best
        np.put_along_axis(scores, chosen, logits, axis=1)
        return scores


def _load_cross_encoder(name: str) -> "CrossEncoder":
    # Imported here: it takes seconds, and only callers that rerank need it.
    from sentence_transformers import CrossEncoder
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
        model = CrossEncoder(name, trust_remote_code=False, model_kwargs={"use_safetensors": True}).float().eval()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"cross-encoder {name!r} {explain_download(name, error)}") from error
    heads = [each for each in config.architectures or () if each.endswith("ForSequenceClassification")]
    # Without one, transformers has put random weights there and every ranking would be chance.
    if not heads or config.num_labels != 1:
        raise InputError(
            f"{name!r} ({', '.join(config.architectures or ('no architecture',))}, {config.num_labels} outputs) is no "
            "cross-encoder with one output; take one such as 'cross-encoder/ms-marco-MiniLM-L6-v2'"
        )
    return model
