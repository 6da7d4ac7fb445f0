"""Lesson 15: a style in words, English or Chinese, as a target for `stylize`.

`lexicon`, `tokens`: words; `recipe`, `arrangement`, `marks`, `colors`: studies drawn by code, palette × texture × mark × scale; `captions`: sentences
about them; `space`: a style's statistics as a few numbers; `encoder`: from words to them; `target`: what painting needs; `clip`: the same by open_clip.
"""
from .captions import described, some_concepts
from .encoder import WordEncoder, load_words, save_words
from .lexicon import CONCEPT_OF, WORDS_OF
from .recipe import Recipe, held_out, meaning
from .space import StyleSpace
from .target import WordsTarget, measure, style_from_words, text_distance, top_one
from .tokens import longest_match, tokenize

__all__ = ["CONCEPT_OF", "WORDS_OF", "Recipe", "StyleSpace", "WordEncoder", "WordsTarget", "described", "held_out", "load_words", "longest_match",
           "meaning", "measure", "save_words", "some_concepts", "style_from_words", "text_distance", "tokenize", "top_one"]
