"""Which rows of a data set each training step gets, and its random numbers: functions of seed and step alone."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from datasets import Dataset


@dataclass
class Batches:
    """Passes over a data set follow each other without a gap, so a batch may span two and no row is left out."""

    dataset: Dataset
    """At least `batch_size / generations` rows."""
    batch_size: int
    """Rows in a batch, every prompt `generations` times, one after the other."""
    seed: int
    """Of the order and of `generator`."""
    shuffle: bool = True
    """Whether each pass has a new order, or always the data set's own."""
    group_column: str | None = None
    """Column whose groups of rows stay together and in order; a group may still be cut by the end of a batch."""
    generations: int = 1

    @cached_property
    def groups(self) -> np.ndarray:
        """The number of each row's group, in order of first appearance."""
        return pd.factorize(pd.Series(self.dataset[self.group_column]))[0]

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers in the order of one pass; groups are permuted as wholes."""
        rows = len(self.dataset)
        if not self.shuffle:
            return np.arange(rows)
        generator = np.random.default_rng([self.seed, epoch])
        if self.group_column is None:
            return generator.permutation(rows)
        return np.argsort(generator.permutation(self.groups.max() + 1)[self.groups], kind="stable")

    def rows(self, step: int) -> list[int]:
        """The rows of a step, counted from 0."""
        prompts = self.batch_size // self.generations
        first, offset = divmod(step * prompts, len(self.dataset))
        both = np.concatenate([self.order(first), self.order(first + 1)])
        return both[offset : offset + prompts].repeat(self.generations).tolist()

    def uniforms(self, step: int, columns: int) -> torch.Tensor:
        """Numbers in [0, 1) for sampling the step's responses, float32 `[batch_size, columns]`, on the CPU."""
        return torch.rand(self.batch_size, columns, generator=self.generator(step, 0, "cpu"))

    def generator(self, step: int, purpose: int, device: torch.device | str) -> torch.Generator:
        """Random numbers for one `purpose` within a step: nothing has to be saved for a resumed run."""
        seed = np.random.SeedSequence([self.seed, step, purpose]).generate_state(1)[0]
        return torch.Generator(device).manual_seed(int(seed))
