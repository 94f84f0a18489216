"""The recommender: candidates ranked by the cosine of sentence embeddings.

`rank(ads) -> scores` is the seam where a user's own recommender goes in: any function from a list of
ad texts to a float array [ads, candidates] will do.

Nothing is padded: texts lie one behind the other (`packed_attention`) or in batches of equal token length. So the
vector of a text does not depend on the texts it came with: identical text, identical vector, to the last bit, whatever
the order of calls and whatever the caches hold.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from tqdm.auto import tqdm

from autorefine_lib.errors import InputError
from autorefine_lib.models import minilm, onednn, static_embedding
from autorefine_lib.models.device import has_bfloat16
from autorefine_lib.recommender import embedding_store, packed_attention

_REMEMBERED = 50_000  # query vectors kept in memory: 75 MiB at 384 float32 numbers each
_ROUNDING = 2  # raised when the same text gets other last bits, so that no cache folder mixes them
_TOKENS_PER_BATCH = 1024  # activations of a larger batch fall out of the CPU caches: measured on two Zen 4 cores
_TOKENS_PER_BATCH_ON_GPU = 16_384


class DenseRecommender:
    """Ranks candidates for ads by cosine similarity of their embeddings (bi-encoder retrieval).

    Args:
        model: "minilm" for the packaged all-MiniLM-L6-v2, "wordllama" for the packaged static embeddings (checksums
            verified), or any sentence-transformers model by folder or Hub name.
        cache_dir: folder for the candidates' embeddings, keyed by their texts, the weights and the precision, and for
            those that `keep` is asked to keep; None keeps them in memory only.
        batch_size: most texts in one batch; long texts make smaller batches on a CPU.
        max_seq_length: tokens of a text that are read, the rest has no influence; None takes the model's own
            limit (256 for MiniLM, about 190 words).
        precision: "float32", "bfloat16", or "auto": bfloat16 where the hardware has it. On two Zen 4 cores
            bfloat16 embeds about 1.5 times as many texts a second and stays within 1e-4 of float32 in cosine.
        device: a torch device; None takes a GPU where there is one.

    Raises:
        InputError: the model cannot be loaded, or the packaged weights are not the published ones.
    """

    def __init__(
        self,
        model: str = "minilm",
        cache_dir: Path | None = None,
        batch_size: int = 64,
        max_seq_length: int | None = None,
        precision: str = "auto",
        device: str | None = None,
    ):
        if precision not in ("auto", "float32", "bfloat16"):
            raise InputError(f"precision={precision!r} is not one of auto, float32, bfloat16")
        self.cache_dir = Path(cache_dir) if cache_dir else None
        self.batch_size = batch_size
        self._model = _load(model, device)
        if not self._is_plain_transformer and (precision == "bfloat16" or max_seq_length is not None):
            raise InputError(f"model {model!r} is no plain transformer: leave precision and max_seq_length as they are")
        if precision == "bfloat16" or (
            precision == "auto" and self._is_plain_transformer and has_bfloat16(self._model.device)
        ):
            self._model.to(torch.bfloat16)
        if max_seq_length is not None:
            self._model.max_seq_length = max_seq_length
        self._packs = self._is_plain_transformer and packed_attention.use(self._model[0].auto_model)
        weights = _weights_sha256(self._model)
        packed = self._is_plain_transformer and onednn.pack(self._model)
        self._key = f"{weights} {self._model.max_seq_length} {self._packs} {packed} {_ROUNDING}"
        self._kept = self.cache_dir and self.cache_dir / f"queries-{self._content_key([])}.sqlite"
        self._queries = embedding_store.kept(self._kept, self.dimension, _REMEMBERED) if self._kept else {}
        self._candidates: np.ndarray | None = None

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._model.get_embedding_dimension()

    def fit(self, candidates: Dataset) -> "DenseRecommender":
        """Embed the `text` column once; a later call with the same texts and weights reads the vectors from disk.

        With a cache folder a call that was killed half-way is gone on with.
        """
        texts = list(candidates["text"])
        if not texts:
            raise InputError("no candidates to rank: the candidate table has 0 rows; give at least one")
        path = self.cache_dir / f"candidates-{self._content_key(texts)}.npy" if self.cache_dir else None
        if path is None:
            self._candidates = self._embed_unique(texts, "Embedding candidates")
            return self
        # Memory-mapped, so that several processes on one machine share one copy.
        self._candidates = embedding_store.build(path, texts, self.dimension, self._embed_unique)
        return self

    def embed(self, texts: list[str], progress: str | None = None) -> np.ndarray:
        """Unit vectors, float32 [texts, dimension]; each distinct text is embedded once and remembered.

        `progress` names the bar that is shown while texts are embedded; None shows none.
        """
        new = [text for text in dict.fromkeys(texts) if text not in self._queries]
        fresh = dict(zip(new, self._embed_unique(new, progress if new else None), strict=True))
        vectors = [fresh[text] if text in fresh else self._queries[text] for text in texts]
        self._queries |= fresh
        for text in list(self._queries)[: max(0, len(self._queries) - _REMEMBERED)]:
            del self._queries[text]
        return np.stack(vectors) if vectors else np.zeros((0, self.dimension), np.float32)

    def forget(self) -> None:
        """Drop the remembered query vectors, so that the next call embeds every text anew."""
        self._queries.clear()

    def keep(self, texts: list[str]) -> None:
        """Write these texts' vectors to the cache folder, for recommenders with the same weights that start later.

        Raises:
            InputError: the folder cannot be written.
        """
        vectors = self.embed(texts, "Embedding ads")
        if self._kept:
            embedding_store.keep(self._kept, dict(zip(texts, vectors, strict=True)))

    def rank(self, ads: list[str]) -> np.ndarray:
        """Cosine of every ad with every candidate, float32 [ads, candidates], in the order of the fitted candidates.

        Raises:
            InputError: called before `fit`.
        """
        if self._candidates is None:
            raise InputError("the recommender has no candidates yet; call fit(candidates) before rank(ads)")
        return self.embed(ads) @ self._candidates.T

    def _content_key(self, texts: Iterable[str]) -> str:
        digest = hashlib.sha256(self._key.encode())
        for text in texts:
            content = text.encode()
            digest.update(len(content).to_bytes(8, "little") + content)
        return digest.hexdigest()[:32]

    def _embed_unique(self, texts: list[str], progress: str | None = None) -> np.ndarray:
        """Embed without the memory of queries, one batch after another."""
        distinct = list(dict.fromkeys(texts))
        vectors = np.empty((len(distinct), self.dimension), np.float32)
        with tqdm(total=len(distinct), desc=progress, unit="text", disable=progress is None) as bar:
            for rows, batch in self._batches(distinct):
                vectors[rows] = torch.nn.functional.normalize(batch.float(), dim=-1).cpu().numpy()
                bar.update(len(rows))
        place = {text: row for row, text in enumerate(distinct)}
        return vectors[[place[text] for text in texts]]

    def _batches(self, texts: list[str]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Rows of `texts` and their vectors, batch by batch, until each row has come once."""
        if not self._is_plain_transformer:
            for start in range(0, len(texts), self.batch_size):
                rows = list(range(start, min(start + self.batch_size, len(texts))))
                yield rows, self._model.encode(texts[start : start + self.batch_size], convert_to_tensor=True)
            return
        limit = self._model.max_seq_length
        ids = self._model.tokenizer(texts, truncation=True, max_length=limit)["input_ids"] if texts else []
        batches = list(self._rows([len(tokens) for tokens in ids]))
        each = _side_by_side if self._model.device.type == "cpu" else map
        yield from zip(batches, each(lambda rows: self._encode([ids[row] for row in rows]), batches), strict=True)

    @torch.inference_mode()
    def _encode(self, ids: list[list[int]]) -> torch.Tensor:
        """Vectors [texts, dimension] of tokenised texts in the order of their length; of one length, if not packed."""
        transformer, *rest = self._model
        # Straight through the modules: `encode` would tokenize, sort and pad once more.
        if self._packs:
            hidden = packed_attention.encode(transformer.auto_model, ids)
        else:
            tokens = torch.tensor(ids, device=self._model.device)
            features = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
            hidden = [transformer(features)["token_embeddings"]]
        vectors = []
        for embeddings in hidden:
            every = torch.ones(embeddings.shape[:2], dtype=torch.long, device=embeddings.device)
            features = {"token_embeddings": embeddings, "attention_mask": every}
            for module in rest:
                features = module(features)
            vectors.append(features["sentence_embedding"])
        return torch.cat(vectors)

    def _rows(self, lengths: list[int]) -> Iterator[list[int]]:
        """Rows of texts with `lengths` tokens that go through the model together, the shortest first."""
        tokens = _TOKENS_PER_BATCH if self._model.device.type == "cpu" else _TOKENS_PER_BATCH_ON_GPU
        batch: list[int] = []
        for row in sorted(range(len(lengths)), key=lengths.__getitem__):
            full = len(batch) == self.batch_size or (len(batch) + 1) * lengths[row] > tokens
            if batch and (full or not self._packs and lengths[row] != lengths[batch[0]]):
                yield batch
                batch = []
            batch.append(row)
        if batch:
            yield batch

    @property
    def _is_plain_transformer(self) -> bool:
        """Whether token ids are all that the model reads: not so for static embeddings, prompts or several inputs.

        Others go through `encode`, which may pad: there a vector can differ in its last bits with the company.
        """
        from sentence_transformers.sentence_transformer.modules import Transformer

        return type(self._model[0]) is Transformer and self._model.default_prompt_name is None


def _side_by_side(function: Callable[[list[int]], torch.Tensor], batches: list[list[int]]) -> Iterator[torch.Tensor]:
    """`map(function, batches)` on all of PyTorch's threads, each batch on one of them.

    Layers as small as MiniLM's gain little from sharing each product out: two Zen 4 cores embed a tenth more texts a
    second side by side. And a vector does not depend on the number of cores.
    """
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
        try:
            yield from workers.map(function, batches)
        finally:
            torch.set_num_threads(threads)  # what the workers set is the default of threads that start later


def _load(model: str, device: str | None):
    # Imported here: it takes seconds, and only whoever embeds needs it.
    from sentence_transformers import SentenceTransformer

    if model == "wordllama":
        return static_embedding.model()
    name = str(minilm.folder()) if model == "minilm" else model
    try:
        return SentenceTransformer(
            name, device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True}
        ).eval()
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"recommender model {model!r} cannot be loaded ({reason}); allowed: 'minilm', a Hub name, or a folder: on "
            f"a machine with network run `hf download {model} --local-dir models/{Path(model).name}`, copy that "
            f"folder here and give its path as the model"
        ) from error


def _weights_sha256(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        # Raw bytes: numpy has no bfloat16. The type is part of the key, for it changes the vectors.
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
