"""Lesson 15: a sentence cut into words that we know, in English and in Chinese, and those that we do not know."""
import difflib
import re
import unicodedata

from .lexicon import CONCEPT_OF

_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_PIECES = re.compile(r"[\u3400-\u9fff]+|[^\W\d_\u3400-\u9fff]+(?:[-'’][^\W\d_\u3400-\u9fff]+)*|\d+")
_LONGEST = max(len(word) for word in CONCEPT_OF if _CHINESE.match(word))            # characters of a Chinese word
_MEANT = [word for word, concept in CONCEPT_OF.items() if concept != "filler:filler"]
_MOST = max(word.count(" ") for word in CONCEPT_OF) + 1                             # words of an English expression


def longest_match(text, words, longest=_LONGEST):
    """Cuts `text`, written without spaces, from left to right, each time the longest of `words` that begins there.

    → list of (piece, known): characters that begin no word are gathered into pieces that are not known.
    """
    pieces, start = [], 0
    while start < len(text):
        found = next((text[start:end] for end in range(min(len(text), start + longest), start, -1) if text[start:end] in words), None)
        if found:
            pieces.append((found, True))
        elif pieces and not pieces[-1][1]:
            pieces[-1] = pieces[-1][0] + text[start], False
        else:
            pieces.append((text[start], False))
        start += len(found or " ")
    return pieces


def tokenize(text):
    """A description → (words that we know, words that we do not know), two lists in the order of the text.

    Fillers ("the", "style", "的") are known. Raises ValueError when the text is no text.
    """
    if not isinstance(text, str):
        raise ValueError(f"a style in words is a text, like 'thick blue and yellow strokes'; got {type(text).__name__}")
    known, unknown = [], []
    pieces = _PIECES.findall(unicodedata.normalize("NFKC", text).lower())
    start = 0
    while start < len(pieces):
        if _CHINESE.match(pieces[start]):
            for piece, is_known in longest_match(pieces[start], CONCEPT_OF):
                (known if is_known else unknown).append(piece)
            start += 1
            continue
        count, word = _expression(pieces, start)
        if word:
            known.append(word)
        else:
            parts = [_without_s(part) for part in pieces[start].split("-")]
            known += [part for part in parts if part in CONCEPT_OF]
            unknown += [part for part in parts if part not in CONCEPT_OF] if len(parts) > 1 else [pieces[start]]
        start += count
    return known, unknown


def _expression(pieces, start):
    """(how many pieces, the expression): the longest one that begins there; (1, None) if none does."""
    for count in range(min(_MOST, len(pieces) - start), 0, -1):
        words = pieces[start:start + count]
        for candidate in (" ".join(words), " ".join([*words[:-1], _without_s(words[-1])]), " ".join(words).replace("-", " ")):
            if candidate in CONCEPT_OF:
                return count, candidate
    return 1, None


def _without_s(word):
    """"gogh's" → "gogh"."""
    return re.sub(r"['’]s$", "", word)


def nearest(word):
    """A word of ours, with a meaning, that was perhaps meant, or None."""
    return next(iter(difflib.get_close_matches(word, _MEANT, n=1, cutoff=0.75)), None)
