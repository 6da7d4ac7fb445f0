"""The checks of the exercises, one file per lesson: each takes the learner's function, tries it, and says what is wrong and why."""
from .lesson03 import check_gram_by_einsum, check_gram_of_pieces, check_style_distance
from .verdict import NotWritten, Wrong

__all__ = ["NotWritten", "Wrong", "check_gram_by_einsum", "check_gram_of_pieces", "check_style_distance"]
