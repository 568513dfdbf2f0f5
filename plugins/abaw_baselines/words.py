"""A bag of hashed words. Shapes: B batch, D width."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from harness.errors import UserError
from harness.types import Modality, TextInput

if TYPE_CHECKING:
    from torch import Tensor

WORD = re.compile(r"\w+")


@dataclass
class Words:
    """B strings -> tokens_BD: log(1 + count) of the words falling into each of D bins, scaled to length 1.

    A word's bin is its CRC-32 modulo D, so there is no vocabulary to learn and nothing to train.
    """

    dim: int
    input: TextInput = field(default_factory=TextInput)
    module: None = None
    modality: ClassVar[Modality] = "text"

    def __call__(self, batch: list[str]) -> Tensor:
        import torch

        counts_BD = torch.zeros(len(batch), self.dim)
        for row, text in enumerate(batch):
            for word in WORD.findall(text.lower()):
                counts_BD[row, zlib.crc32(word.encode()) % self.dim] += 1
        return torch.nn.functional.normalize(counts_BD.log1p(), dim=1)


def hashed_words(*, dim: int = 256) -> Words:
    """The encoder `hashed_words`: a bag of words in `dim` bins."""
    if dim < 1:
        raise UserError(f"dim of hashed_words: expected at least 1, got {dim}")
    return Words(dim)
