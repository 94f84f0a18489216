"""Static embeddings: the vector of a text is the mean of the vectors of its tokens. They need no network.

The weights are WordLlama's l2_supercat_256 (Miller, 2024, github.com/dleemiller/WordLlama): 32,000 tokens of the Llama
2 tokenizer, 256 numbers each, distilled from the token embeddings of large language models. They are inside the package
wordllama and are read from there as safetensors; the package itself is never imported. The order of the words does not
count, and no text is too long. The guards use it: neither the recommender that gives the reward nor a judge does.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from autorefine_lib.files import find_packaged

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SHA256 = "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5"
"""Of l2_supercat_256.safetensors as wordllama 0.4.0.post1 ships it."""
DIMENSION = 256
"""Length of a vector."""


def load_model() -> "SentenceTransformer":
    """The embeddings as a sentence-transformers model on the CPU, checked against the published weights.

    Raises:
        InputError: the weights are not those of the pinned package.
    """
    # Imported here: it takes seconds, and only callers that embed need it.
    from safetensors.torch import load_file
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    # The package is not imported, because its import configures the root logger.
    weights = find_packaged("wordllama", "0.4.0.post1", "wordllama/weights/l2_supercat_256.safetensors", SHA256)
    tokenizer = Tokenizer.from_file(str(weights.parents[1] / "tokenizers/l2_supercat_tokenizer_config.json"))
    tokenizer.no_truncation()
    vectors = load_file(weights)["embedding.weight"].float()
    return SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors)], device="cpu").eval()


_shared = cache(load_model)


def embed(texts: list[str]) -> np.ndarray:
    """Unit vectors, float32 [texts, 256]. A text without a token ("") has the zero vector, of cosine 0 to all."""
    if not texts:
        return np.zeros((0, DIMENSION), np.float32)
    vectors = _shared().encode(list(texts), convert_to_tensor=True, show_progress_bar=False)
    return torch.nn.functional.normalize(vectors, dim=-1).numpy()
