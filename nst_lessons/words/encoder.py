"""Lesson 15: our own text encoder: words in, a style's code out, and which study shows it."""
import json
import os
import pathlib

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from .. import loading
from .arrangement import TEXTURES
from .colors import RAMPS, from_dark_to_light
from .lexicon import CONCEPT_OF, SCHOOLS
from .marks import MARKS, SCALES
from .recipe import Recipe
from .space import StyleSpace

HEADS = {"colors": tuple(RAMPS), "texture": TEXTURES, "mark": tuple(MARKS), "scale": tuple(SCALES), "school": SCHOOLS}


class WordEncoder(nn.Module):
    """Words → code [B, K] and scores for each choice of a recipe. A vector for each word, one layer of attention among them, an MLP.

    The order of words does not matter to it. `words`: the vocabulary; `size`: K; `width`: of its vectors.
    """

    def __init__(self, words=tuple(CONCEPT_OF), size=64, width=64):
        super().__init__()
        self.words, self.size, self.width = list(words), size, width
        self._number = {word: number for number, word in enumerate(self.words, 1)}              # 0: nothing stands here
        self.vectors = nn.Embedding(len(self.words) + 1, width, padding_idx=0)
        self.read = nn.Parameter(0.1 * torch.randn(4, width))                                   # four readers, each with its question
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.think = nn.Sequential(nn.Linear(4 * width, 3 * width), nn.GELU(), nn.Linear(3 * width, 2 * width), nn.GELU())
        self.code = nn.Linear(2 * width, size)
        self.choices = nn.ModuleDict({name: nn.Linear(2 * width, len(names)) for name, names in HEADS.items()})

    def numbers(self, sentences):
        """Lists of known words → their numbers [B, T], shorter ones filled up with 0."""
        rows = [[self._number[word] for word in words if word in self._number] for words in sentences]
        longest = max(1, *(len(row) for row in rows)) if rows else 1
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    def forward(self, numbers):
        """[B, T] → (code [B, K], {choice: scores [B, N]})."""
        vectors, there = self.vectors(numbers), numbers > 0
        mixed = vectors + _attended(vectors, self.key(vectors), self.value(vectors), there)     # words look at each other
        heard = _attended(self.read.expand(len(numbers), -1, -1), self.key(mixed), self.value(mixed), there)
        thought = self.think(heard.flatten(1))
        return self.code(thought), {name: layer(thought) for name, layer in self.choices.items()}

    @torch.no_grad()
    def recipe(self, scores):
        """The Recipe that one sentence's scores {choice: [N]} are for: every color that is likelier than not, three at most."""
        colors = scores["colors"]
        best = [k for k in colors.topk(3).indices.tolist() if colors[k] > 0] or [int(colors.argmax())]
        texture, mark, scale, school = (HEADS[name][int(scores[name].argmax())] for name in ("texture", "mark", "scale", "school"))
        return Recipe(from_dark_to_light([HEADS["colors"][k] for k in best]), texture, mark, scale, school)


def _attended(query, key, value, there):
    """Attention to the words that are there: query [B, Q, D], key and value [B, T, D], there [B, T] → [B, Q, D]."""
    scores = (query @ key.mT / key.shape[-1] ** 0.5).masked_fill(~there[:, None], -1e4)
    return torch.softmax(scores, dim=-1) @ value


def save_words(encoder, space, path):
    """Writes encoder and space in half precision into one file, which is whole or not there."""
    path = pathlib.Path(path)
    partial = path.with_name(path.name + ".partial")
    tensors = {f"{part}.{name}": (tensor.half() if tensor.numel() > 1000 else tensor.float()).cpu().contiguous()
               for part, module in (("encoder", encoder), ("space", space)) for name, tensor in module.state_dict().items()}
    about = {"words": encoder.words, "width": encoder.width, "size": encoder.size, "ranks": space.ranks}
    partial.write_bytes(save(tensors, metadata={"about": json.dumps(about, ensure_ascii=False)}))
    os.replace(partial, path)
    return path


def load_words(path=None):
    """(encoder, space) out of a file of `save_words`, or those of the package. Raises WeightsError for another file."""
    path = pathlib.Path(loading.embedded("words.safetensors") if path is None else path)
    tensors = loading.read_weights(path)
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["about"])
        encoder, space = WordEncoder(about["words"], about["size"], about["width"]), StyleSpace(about["ranks"], size=about["size"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise loading.WeightsError(f"{path.name} holds no encoder of words; give a file that save_words wrote") from error
    for part, module in (("encoder", encoder), ("space", space)):
        loading.load_into(module, {name.removeprefix(f"{part}."): tensor.float() for name, tensor in tensors.items()
                                   if name.startswith(f"{part}.")})
        module.eval().requires_grad_(False)
    return encoder, space
