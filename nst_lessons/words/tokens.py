"""Lesson 15: a sentence cut into words that we know, in English and in Chinese, and those that we do not know."""
import difflib
import re
import unicodedata

from .lexicon import CONCEPT_OF

# What nobody taught the encoder, and which of its words come near enough to stand in. Where none does (neon, comic, bright), a word is left unknown.
STAND_INS = {said: heard.split("|") for said, heard in {
    "watercolor": "washes", "watercolors": "washes", "watercolour": "washes", "watercolours": "washes", "水彩": "晕染", "水彩画": "晕染",
    "sketch": "hatching", "sketches": "hatching", "sketched": "hatching", "pencil": "hatching", "素描": "排线", "铅笔": "排线", "铅笔画": "排线",
    "pixel": "mosaic", "pixels": "mosaic", "pixelated": "mosaic", "pixel art": "mosaic", "像素": "马赛克", "像素画": "马赛克",
    "dark": "black", "暗": "黑", "黑暗": "黑", "昏暗": "黑", "阴暗": "黑",
    "rainbow": "red|yellow|blue", "彩虹": "红|黄|蓝", "睡莲": "莫奈|绿|蓝",
    "water lilies": "monet|green|blue", "water lily": "monet|green|blue", "waterlilies": "monet|green|blue"}.items()}
# Words in which one of ours only seems to stand: marble (大理石) is not large (大), a train (火车) not fire (火). They are unknown as a whole.
OTHERS = ("大理石 大卫 大象 大楼 大师 小丑 小鸟 小狗 小猫 火车 火烈鸟 金属 金鱼 黑板 白纸 点心 雪茄 沙发 细节 海报 海豚 云南 中国 红楼梦 紫禁城 "
          "青蛙 墨西哥 画家 漫画 动画").split()
_HEARD = CONCEPT_OF.keys() | STAND_INS.keys()
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_PIECES = re.compile(r"[\u3400-\u9fff]+|[^\W\d_\u3400-\u9fff]+(?:[-'’][^\W\d_\u3400-\u9fff]+)*|\d+")
_CUT = _HEARD | {*OTHERS}
_LONGEST = max(len(word) for word in _CUT if _CHINESE.match(word))                  # characters of a Chinese word
_MEANT = [word for word, concept in CONCEPT_OF.items() if concept != "filler:filler"]
_MOST = max(word.count(" ") for word in _HEARD) + 1                                 # words of an English expression


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

    Fillers ("the", "style", "的") are known; for a word of STAND_INS there are those that stand in for it. Raises ValueError when the text is no text.
    """
    said, unknown = _said(text)
    return [word for one in said for word in STAND_INS.get(one, [one])], unknown


def stand_ins(text):
    """{word that was said: the words that stand in for it}, of a description."""
    return {one: STAND_INS[one] for one in _said(text)[0] if one in STAND_INS}


def _said(text):
    """(words that mean something to us, as they were said; all the others)."""
    if not isinstance(text, str):
        raise ValueError(f"a style in words is a text, like 'thick blue and yellow strokes'; got {type(text).__name__}")
    said, unknown = [], []
    pieces = _PIECES.findall(unicodedata.normalize("NFKC", text).lower())
    start = 0
    while start < len(pieces):
        if _CHINESE.match(pieces[start]):
            for piece, _ in longest_match(pieces[start], _CUT):
                (said if piece in _HEARD else unknown).append(piece)
            start += 1
            continue
        count, word = _expression(pieces, start)
        if word:
            said.append(word)
        else:
            parts = [_without_s(part) for part in pieces[start].split("-")]
            said += [part for part in parts if part in _HEARD]
            unknown += [part for part in parts if part not in _HEARD] if len(parts) > 1 else [pieces[start]]
        start += count
    return said, unknown


def _expression(pieces, start):
    """(how many pieces, the expression): the longest one that begins there; (1, None) if none does."""
    for count in range(min(_MOST, len(pieces) - start), 0, -1):
        words = pieces[start:start + count]
        for candidate in (" ".join(words), " ".join([*words[:-1], _without_s(words[-1])]), " ".join(words).replace("-", " ")):
            if candidate in _HEARD:
                return count, candidate
    return 1, None


def _without_s(word):
    """"gogh's" → "gogh"."""
    return re.sub(r"['’]s$", "", word)


def nearest(word):
    """A word of ours, with a meaning, that was perhaps meant, or None."""
    return next(iter(difflib.get_close_matches(word, _MEANT, n=1, cutoff=0.75)), None)
