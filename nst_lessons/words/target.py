"""Lesson 15: a description → a target for `stylize`: the statistics that our encoder predicts, and a study that has them in a picture."""
import functools
from dataclasses import dataclass

import torch

from ..losses import StyleTerm, Weighted
from .encoder import load_words
from .lexicon import CONCEPT_OF
from .recipe import Recipe
from .space import SIDE
from .tokens import nearest, stand_ins, tokenize

SHARE = 0.5              # weight of the predicted tables in a painting; the study's own have 1
_loaded = functools.cache(load_words)


@dataclass(frozen=True, eq=False)
class WordsTarget:
    """A style in words, as our own encoder understands it; `stylize(photo, target)` paints with it.

    `code` [K]: the predicted statistics, in the space of `words.space`; `recipe`: the study that shows them, by the same encoder.
    `unknown`: words that nobody taught it, which are left out. `grams`: {layer: Gram matrix [1, C, C]} of the network `tiny`.
    """
    text: str
    code: torch.Tensor
    recipe: Recipe
    unknown: tuple
    grams: dict

    def picture(self, size=256, seed=0):
        """The study, or the museum's painting, as a picture [1, 3, H, W] in [0, 1], longer side `size` px."""
        return torch.from_numpy(self.recipe.picture(size, seed)).permute(2, 0, 1)[None].contiguous()

    def told(self):
        """One line: which encoder ran, what it understood, and what it did not."""
        guesses = [f"{word!r}" + (f" (did you mean {close!r}?)" if (close := nearest(word)) else "") for word in self.unknown]
        line = f"words, by our own encoder, offline: {self.recipe}"
        line += "".join(f"; {said!r} taken as {' '.join(heard)!r}" for said, heard in stand_ins(self.text).items())
        return line + (f"; not understood and left out: {', '.join(guesses)}" if guesses else "")

    def terms(self, objective, share=1.0):
        """The predicted tables as Weighted terms of an Objective, one for each of its style layers that they have; `share`: of this style among others."""
        weights, device = objective.style_layers, objective.features.device
        return [Weighted(objective.beta, SHARE * share * weights[layer], StyleTerm(layer, gram.to(device), objective.scaling))
                for layer, gram in self.grams.items() if layer in weights]

    def distance(self, picture, features):
        """How far a picture [1, 3, H, W] is from these words, 0 (the same direction of style) to 2: 1 − the cosine of the two codes."""
        return text_distance(self.code[None], measure(picture, features)).item()


def style_from_words(text, clip=None):
    """A description, in English or Chinese ("thick blue and yellow strokes", 梵高风格) → a target for `stylize`.

    clip: None, our own small encoder, offline; a model of open_clip ("ViT-B-32"), whose weights are taken from its cache or downloaded, or a
    local file of its weights; "auto": open_clip where its weights are on disk, else our own. `target.told()` says which it was.
    Raises ValueError when no word of the text is known, or nothing in it says anything about style.
    """
    if clip is not None:
        from .clip import clip_target
        target = clip_target(text, clip)
        if target is not None:
            return target
    known, unknown = tokenize(text)
    if all(CONCEPT_OF[word] == "filler:filler" for word in known):
        hint = next((f"did you mean {close!r}?" for word in unknown if (close := nearest(word))),
                    "we know colors, scenes, textures (swirling), marks (dots), scales (thick), painters and movements, in English and Chinese")
        raise ValueError(f"nothing in {text!r} says what it should look like; {hint}")
    encoder, space = _loaded()
    with torch.no_grad():
        code, scores = encoder(encoder.numbers([known]))
        return WordsTarget(text, code[0], encoder.recipe({name: row[0] for name, row in scores.items()}), tuple(dict.fromkeys(unknown)),
                           space.grams(code))


def measure(picture, features):
    """A picture's own code [B, K]: what its statistics are, in the space in which words are. picture: [B, 3, H, W]."""
    from ..images import resize
    return _loaded()[1].measure(resize(picture, SIDE), features).cpu()


def text_distance(code, codes):
    """1 − cosine: code [1, K] of a text, codes [N, K] of pictures → [N]; 0 is the same direction."""
    products = (code * codes).sum(dim=1)
    return 1 - products / (code.norm(dim=1) * codes.norm(dim=1))


def top_one(texts, pictures):
    """How often, of pictures [N, K], the one nearest to text i of [N, K] is number i: a float in [0, 1]."""
    found = [text_distance(text[None], pictures).argmin().item() for text in texts]
    return sum(number == own for own, number in enumerate(found)) / len(found)
