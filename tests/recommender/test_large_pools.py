"""A large pool through faiss: an exact index over the recommender's vectors finds what `rank` finds."""

import faiss
import numpy as np
from datasets import Dataset

from autorefine_lib.data import corpus
from autorefine_lib.recommender.dense import DenseRecommender


def test_the_best_of_a_large_pool_by_faiss_equal_those_of_rank():
    ads = corpus.make_jobs()["text"].iloc[::40].tolist()
    texts = corpus.make_candidates()["text"].drop_duplicates().tolist()
    recommender = DenseRecommender("wordllama")

    index = faiss.IndexFlatIP(recommender.dimension)
    for start in range(0, len(texts), 1000):  # any number of candidates, 1,000 at a time
        index.add(recommender.embed(texts[start : start + 1000]))
    cosines, best = index.search(recommender.embed(ads), 20)

    scores = recommender.fit(Dataset.from_dict({"text": texts})).rank(ads)
    assert len(texts) > 1000
    np.testing.assert_array_equal(best, np.argsort(-scores, axis=1, kind="stable")[:, :20])
    np.testing.assert_allclose(cosines, np.take_along_axis(scores, best, axis=1), atol=1e-6)
