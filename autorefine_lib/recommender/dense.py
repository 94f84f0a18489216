"""The dense recommender: candidates are ranked by the cosine of sentence embeddings.

`rank(ads) -> scores` is the seam where a user's own recommender fits in: any function from a list of ad texts to a
float array [ads, candidates] works.

Embeddings are always computed in float32 by PyTorch's own kernels. Texts in one batch have the same number of tokens,
so nothing is padded, and a batch is computed by one thread. So on a CPU the vector of a text does not depend on the
texts beside it or on the number of cores: identical text gives an identical vector, to the last bit, in any order of
calls and from any cache.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from datasets import Dataset
from safetensors import safe_open
from safetensors.numpy import save_file
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.files import write_atomic
from autorefine_lib.models import minilm, paraphrase_minilm, static_embedding
from autorefine_lib.recommender.long_texts import find_window

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_REMEMBERED = 50_000  # query vectors kept in memory: 75 MiB at 384 float32 numbers each
_TEXTS_PER_BATCH = 32


class DenseRecommender:
    """Ranks candidates for ads by cosine similarity of their embeddings (bi-encoder retrieval).

    Args:
        model: "minilm" for the packaged all-MiniLM-L6-v2, "paraphrase-minilm" for the packaged paraphrase-MiniLM-L3-v2,
            "wordllama" for the packaged static embeddings (each has its checksum verified), or any
            sentence-transformers model by folder or Hub name. It reads as many tokens of a text as the model allows
            (256 for MiniLM, about 190 words).
        cache_dir: folder for the embeddings of candidates and of the ads given to `keep_queries`. The file names hold
            a hash of the weights. None keeps embeddings in memory only.
        long_texts: "cut" leaves out what the model does not read; "mean" takes the normalised mean of the embeddings of
            a long text's parts, each of as many tokens as the model reads.

    Raises:
        InputError: the model cannot be loaded, the packaged weights are not the published ones, or `long_texts` is
            another word.
    """

    def __init__(self, model: str = "minilm", cache_dir: Path | None = None, long_texts: str = "cut") -> None:
        self.cache_dir = Path(cache_dir) if cache_dir else None
        self._model = _load_model(model)
        self.window = find_window(self._model, long_texts)
        handling = "" if long_texts == "cut" else f" {long_texts}"
        self._key = f"{_hash_weights(self._model)} {self._model.max_seq_length}{handling}"
        self._kept = self._cache_file("queries", [])
        self._queries = read_vectors(self._kept) if self._kept else {}
        self._candidates: np.ndarray | None = None

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._model.get_embedding_dimension()

    def fit(self, candidates: Dataset) -> "DenseRecommender":
        """Embed the `text` column. A later call with the same texts and weights reads the vectors from the cache."""
        texts = list(candidates["text"])
        path = self._cache_file("candidates", texts)
        vectors = read_vectors(path) if path else {}
        if not vectors:
            vectors = self._embed_new(texts, "Embedding candidates")
            if path:
                write_vectors(path, vectors)
        self._candidates = np.stack([vectors[text] for text in texts])
        return self

    def embed(self, texts: list[str], progress: str | None = None) -> np.ndarray:
        """Unit vectors, float32 [texts, dimension]; each distinct text is embedded once and remembered.

        `progress` names the bar that is shown while texts are embedded; None shows none.
        """
        new = self._embed_new([text for text in texts if text not in self._queries], progress)
        vectors = [new[text] if text in new else self._queries[text] for text in texts]
        self._queries |= new
        for text in list(self._queries)[: max(0, len(self._queries) - _REMEMBERED)]:
            del self._queries[text]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), np.float32)

    def keep_queries(self, texts: list[str]) -> None:
        """Write the vectors of these texts to the cache folder, for later recommenders with the same weights."""
        vectors = dict(zip(texts, self.embed(texts, "Embedding ads"), strict=True))
        if self._kept and vectors:
            write_vectors(self._kept, read_vectors(self._kept) | vectors)

    def rank(self, ads: list[str]) -> np.ndarray:
        """Cosine of every ad with every candidate, float32 [ads, candidates], in the order of the fitted candidates.

        Raises:
            InputError: it is called before `fit`.
        """
        if self._candidates is None:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        return self.embed(ads) @ self._candidates.T

    def _cache_file(self, kind: str, texts: Iterable[str]) -> Path | None:
        """The file for the vectors of `texts` by this model; None without a cache folder."""
        digest = hashlib.sha256(json.dumps([self._key, *texts]).encode()).hexdigest()
        return self.cache_dir / f"{kind}-{digest[:32]}.safetensors" if self.cache_dir else None

    def _embed_new(self, texts: list[str], progress: str | None = None) -> dict[str, np.ndarray]:
        """The vector of each distinct text, computed without the memory of queries."""
        parts = {text: self.window.split(text) if self.window else [text] for text in texts}
        vectors = self._embed_parts(dict.fromkeys(chain(*parts.values())), progress)
        return {text: vectors[own[0]] if len(own) == 1 else _average([vectors[part] for part in own])
                for text, own in parts.items()}  # fmt: skip

    def _embed_parts(self, texts: Iterable[str], progress: str | None) -> dict[str, np.ndarray]:
        by_length: dict[int, list[str]] = {}
        for text in texts:
            by_length.setdefault(self._tokenize([text])["input_ids"].shape[-1], []).append(text)
        batches = [
            group[start : start + _TEXTS_PER_BATCH]
            for _, group in sorted(by_length.items())
            for start in range(0, len(group), _TEXTS_PER_BATCH)
        ]
        run = _map_side_by_side if self._model.device.type == "cpu" else map
        made = run(self._embed_batch, map(self._tokenize, batches))
        bar = tqdm(made, progress, len(batches), unit="batch", disable=progress is None or not batches)
        vectors: dict[str, np.ndarray] = {}
        for batch, of_batch in zip(batches, bar, strict=True):
            vectors |= zip(batch, of_batch, strict=True)
        return vectors

    def _tokenize(self, texts: list[str]) -> dict[str, Any]:
        """Inputs of the model, with the prompt that some models put before each text."""
        return self._model.preprocess(texts, prompt=self._model.prompts.get(self._model.default_prompt_name))

    @torch.inference_mode()
    def _embed_batch(self, inputs: dict[str, Any]) -> np.ndarray:
        """Unit vectors [texts, dimension] of texts with the same number of tokens."""
        device = self._model.device
        tensors = {name: item.to(device) if torch.is_tensor(item) else item for name, item in inputs.items()}
        # Autocast is off because a caller may train in half precision around this call.
        with torch.autocast(device.type, enabled=False):
            return torch.nn.functional.normalize(self._model(tensors)["sentence_embedding"], dim=-1).cpu().numpy()


def _average(vectors: list[np.ndarray]) -> np.ndarray:
    mean = np.mean(vectors, axis=0)
    return mean / np.linalg.norm(mean)


def write_vectors(path: Path, vectors: dict[str, np.ndarray]) -> None:
    """Write texts and their vectors, float32 and of one length, atomically. The name must identify the model."""
    tensors, texts = {"vectors": np.stack(list(vectors.values()))}, {"texts": json.dumps(list(vectors))}
    write_atomic(path, partial(save_file, tensors, metadata=texts))


def read_vectors(path: Path) -> dict[str, np.ndarray]:
    """What `write_vectors` wrote to `path`, in the same order; nothing if there is no such file."""
    if not path.exists():
        return {}
    with safe_open(path, "numpy") as file:
        return dict(zip(json.loads(file.metadata()["texts"]), file.get_tensor("vectors"), strict=True))


def _map_side_by_side(function: Callable[[Any], np.ndarray], items: Iterable[Any]) -> Iterator[np.ndarray]:
    """`map(function, items)` on all of PyTorch's threads, with each item on one of them.

    Two threads that share a product add its parts in another order than one thread, which changes the last bits. This
    way a vector does not depend on the number of cores, and several cores are used all the same.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        try:
            yield from workers.map(function, items)
        finally:
            torch.set_num_threads(threads)  # what the workers set is the default of threads that start later


def _load_model(name: str) -> "SentenceTransformer":
    """The model in float32, whatever type its weights were saved in."""
    # Imported here: it takes seconds, and only callers that embed need it.
    from sentence_transformers import SentenceTransformer

    if name == "wordllama":
        return static_embedding.load_model()
    if name == "paraphrase-minilm":
        return paraphrase_minilm.load_model()
    place = str(minilm.folder()) if name == "minilm" else name
    try:
        model = SentenceTransformer(place, trust_remote_code=False, model_kwargs={"use_safetensors": True})
        return model.float().eval()
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise InputError(
            f"recommender model {name!r} cannot be loaded ({reason}); give a Hub name, or a folder: on a machine with "
            f"a network run `hf download {name} --local-dir models/{name.split('/')[-1]}`, copy that folder here and "
            "give its path; 'minilm', 'paraphrase-minilm' and 'wordllama' need no network"
        ) from error


def _hash_weights(model: torch.nn.Module) -> str:
    """SHA-256 of the names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)}".encode())
        digest.update(np.ascontiguousarray(weight.numpy(force=True)).tobytes())
    return digest.hexdigest()
