"""Lesson 15: Chinese cut into words, the share of descriptions whose own picture is nearest, and a direction in CLIP's space."""
import itertools

import torch

from .verdict import Wrong, differentiable, exercise, same, seeded, untouched


def _some(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed))


# --- 15.1 ------------------------------------------------------------------------------------------------------------

_WORDS = {"蓝", "蓝色", "蓝色调", "星", "星空", "梵", "梵高", "的", "笔触", "水墨", "水墨山水", "山水", "山", "粗", "粗犷", "旋转"}
_TEXTS = ["梵高的星空", "猫狗的山", "水墨山水", "粗犷的蓝色笔触", "蓝蓝的山", "旋转的猫星空", "猫", "山水墨", "水墨山", "蓝色调的猫"]
_CUT_CRASHES = {said: f"your function stops on a text {where}" for said, where in {
    "is an empty sequence": "in which no word begins: then one character is the piece (max(…, default=…))",
    "argument is empty": "in which no word begins: then one character is the piece (max(…, default=…))",
    "list index": "in which no word begins: the list of finds is empty, and one character is the piece",
    "StopIteration": "in which no word begins: then one character is the piece (next(…, default))",
    "string index": "by reading behind its end; also, the empty text has no first character, and no pieces: []",
    "recursion": "because it calls itself without end: the text must get shorter each time, and of the empty text the answer is []"}.items()}


@exercise("15.1", "from left to right, the longest word each time, and what begins no word stands alone.")
def check_cut(cut):
    """Tries cut(text, words: a set) → list of pieces, in order; a character that begins no word is a piece of its own."""
    answers = []
    for text in _TEXTS:
        words = set(_WORDS)
        answers.append(_pieces(cut, text, words))
        if words != _WORDS:
            raise Wrong("your function changes the set of words that it is given")
    _compare(answers)
    letters = sorted(set("".join(_WORDS) + "猫狗"))
    mixed = "".join(letters[k] for k in torch.randint(len(letters), (40,), generator=seeded(151)).tolist())
    if (answer := _pieces(cut, mixed, set(_WORDS))) != _cut(mixed):
        raise Wrong(f"{mixed!r} is cut into {answer}; {_cut(mixed)} is right")
    if (answer := _pieces(cut, "abcab", {"ab", "abc"})) != ["abc", "ab"]:
        raise Wrong(f"other words than Chinese ones: of 'abcab' with the words ab and abc it makes {answer}, ['abc', 'ab'] is right")
    if _pieces(cut, "一二三四五六七", {"一二三四五六七"}) != ["一二三四五六七"]:
        raise Wrong("a word of seven characters is not found: a word may be as long as the rest of the text")
    if (answer := _pieces(cut, "", set(_WORDS))):
        raise Wrong(f"of the empty text '' it makes {answer}; no pieces, [], are right")


def _pieces(cut, text, words):
    return _listed(untouched(lambda *given: _drawn(cut(*given)), text, words, crashes=_CUT_CRASHES), text)


def _drawn(answer):
    """What a generator yields, so that its crash is told too."""
    return list(answer) if hasattr(answer, "__next__") else answer


def _listed(answer, text):
    """The answer as a list of texts; Wrong when it is no such thing."""
    if answer is None:
        raise Wrong(f"the answer for {text!r} is None: does every path of your function `return` the list?")
    if isinstance(answer, (set, frozenset)):
        raise Wrong("a set has no order, and no piece twice; a list is wanted")
    if isinstance(answer, str) or not hasattr(answer, "__iter__"):
        raise Wrong(f"a list of pieces is wanted, got a {type(answer).__name__}")
    answer = list(answer)
    if any(not isinstance(one, str) for one in answer):
        raise Wrong(f"every piece is a text; yours of {text!r} has {next(type(one).__name__ for one in answer if not isinstance(one, str))}s")
    return answer


def _compare(answers):
    """Raises Wrong unless `answers` are how _TEXTS are cut; says what slip would cut all of them so."""
    wrong = [(text, answer) for text, answer in zip(_TEXTS, answers) if answer != _cut(text)]
    if not wrong:
        return
    for number, (message, _) in enumerate(_cuts(_TEXTS[0])):
        if all(answer == _cuts(text)[number][1] for text, answer in zip(_TEXTS, answers)):
            raise Wrong(f"{wrong[0][0]!r} is cut into {wrong[0][1]}: {message}")
    text, answer = wrong[0]
    if sorted(answer) == sorted(_cut(text)):
        raise Wrong(f"{text!r} is cut into {answer}: the right pieces in the wrong order; begin at the left, not with the longest word anywhere")
    if "".join(answer) != text:
        raise Wrong(f"{text!r}: the pieces together are {''.join(answer)!r}; no character is lost or said twice")
    raise Wrong(f"{text!r} is cut into {answer}; {_cut(text)} is right")


def _cut(text, order=max, step=None, words=_WORDS, reach=0, rest=False):
    """Pieces from left to right, of those words that begin there the `order` one; reach −1: none that ends with the text."""
    pieces = []
    while text:
        begin = [word for word in words if text.startswith(word) and len(word) <= max(1, len(text) + reach)]
        found = order(begin, key=len, default=text if rest else text[0])
        pieces.append(found)
        text = text[step or len(found):]
    return pieces


def _grown(text):
    pieces = []
    while text:
        end = 1
        while end < len(text) and text[:end + 1] in _WORDS:
            end += 1
        pieces.append(text[:end])
        text = text[end:]
    return pieces


def _from_the_right(text):
    pieces = []
    while text:
        found = max((word for word in _WORDS if text.endswith(word)), key=len, default=text[-1])
        pieces.insert(0, found)
        text = text[:-len(found)]
    return pieces


def _cuts(text):
    """[(message, what this slip makes of the text)]."""
    truth = _cut(text)
    gathered = []
    for piece in truth:
        if gathered and piece not in _WORDS and gathered[-1] not in _WORDS:
            gathered[-1] += piece
        else:
            gathered.append(piece)
    here = [text[start:end] for start in range(len(text)) for end in range(start + 1, len(text) + 1) if text[start:end] in _WORDS]
    return [
        ("words longer than two characters are not found", _cut(text, words={one for one in _WORDS if len(one) < 3})),
        ("your search grows while it finds words: 水墨山 is none, and so it never comes to 水墨山水. Try every length", _grown(text)),
        ("the last character is not tried as a word's end: range(1, len(text) + 1)", _cut(text, reach=-1)),
        ("only the first piece is there: does `return` stand inside the loop, or does one step jump to the text's end?", truth[:1]),
        ("it ends where no word begins; one character is a piece there, and on it goes", list(itertools.takewhile(_WORDS.__contains__, truth))),
        ("where no word begins, the whole rest becomes one piece; one character is wanted", _cut(text, rest=True)),
        ("those are all words anywhere in the text; cut it: each character is in one piece only", here),
        ("the *shortest* word is taken where several begin; the longest is wanted", _cut(text, min)),
        ("every character stands alone: are words of several characters tried?", list(text)),
        ("after a word you go on by one character; go on behind the word, or it is said twice", _cut(text, step=1)),
        ("what begins no word is left out; it is to be a piece of its own, so that it can be named", [one for one in truth if one in _WORDS]),
        ("the pieces are in the wrong order: from left to right", truth[::-1]),
        ("cut from the right; from the left is wanted", _from_the_right(text)),
        ("characters that begin no word are gathered; each stands alone", gathered),
        ("the last piece is missing", truth[:-1]),
        ("the first piece is missing", truth[1:]),
        ("it is not cut at all", [text] if text else []),
        ("a piece is there only once, though the text has it twice", list(dict.fromkeys(truth))),
    ]


# --- 15.2 ------------------------------------------------------------------------------------------------------------

_SHARE_CRASHES = {"could not infer output dtype": "your function stops: True and False have no mean; make numbers of them first, .float()",
                  "Dimension out of range": "your function stops on a text [K]: text_distance wants it as [1, K], text[None]"}


@exercise("15.2", "each description looks at all pictures, and it counts when its own one is nearest.")
def check_top_one(top_one):
    """Tries top_one(texts [N, K], pictures [N, K]) → a number in [0, 1]: how often picture i is the nearest to text i, by 1 − cosine."""
    answers, cases = [], []
    for count, size, seed, noise in [(16, 4, 0, 1.1), (19, 5, 3, 1.1), (12, 3, 1, 1.1), (15, 6, 2, 1.1), (13, 3, 3, 3.0)]:
        texts = _some(count, size, seed=seed)
        pictures = texts + noise * _some(count, size, seed=seed + 20)
        pictures = pictures * torch.linspace(0.2, 6, count)[:, None]             # lengths that must not matter
        hits = [max(range(count), key=lambda j: _cosine(text, pictures[j])) == i for i, text in enumerate(texts)]
        truth = torch.tensor(sum(hits) / count)
        cases.append((truth, _shares(texts, pictures, hits)))
        answers.append(_plain(untouched(top_one, texts, pictures, crashes=_SHARE_CRASHES)))
        if not isinstance(answers[-1], float) and not (isinstance(answers[-1], torch.Tensor) and answers[-1].ndim == 0):
            same(answers[-1], truth, f"the share for {count} descriptions", cases[-1][1])
    slips = [(message, torch.stack([slips[number][1] for _, slips in cases]))
             for number, (message, slip) in enumerate(cases[0][1]) if not slip.shape]
    same(torch.tensor([float(one) for one in answers]), torch.stack([truth for truth, _ in cases]),
         "the list of your shares for five sets of descriptions", slips)
    one = _some(1, 4)
    same(_plain(untouched(top_one, one, one * 3, crashes=_SHARE_CRASHES)), torch.tensor(1.0), "the share for one description and its picture")


def _plain(answer):
    """A tensor as floats, NumPy's number as Python's, a fraction as a float; a text as it is. Raises Wrong for lists, and for True and False."""
    if isinstance(answer, (list, tuple)):
        raise Wrong("that is a list; one number is wanted, how many of all are found")
    if isinstance(answer, bool) or not getattr(answer, "shape", True) and "bool" in str(answer.dtype):
        raise Wrong("True or False is no share; a number from 0 to 1 is wanted, how many of all are found")
    if isinstance(answer, torch.Tensor):
        return answer.float()
    return float(answer) if hasattr(answer, "__float__") else answer


def _cosine(a, b):
    return (sum(x * y for x, y in zip(a.tolist(), b.tolist())) / sum(x * x for x in a.tolist())**0.5 / sum(y * y for y in b.tolist())**0.5)


def _shares(texts, pictures, hits):
    """[(message, what this slip gives)]."""
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True)
    cosines, own = unit(texts) @ unit(pictures).T, torch.arange(len(texts))
    truth = sum(hits) / len(hits)
    nearest, size = cosines.argmax(1), texts.shape[1]
    share = lambda found: (found == own).float().mean()
    column = lambda rows: rows / rows.norm(dim=0, keepdim=True)
    return [
        ("the *farthest* picture counts as found: a distance wants argmin, a cosine argmax", share(cosines.argmin(1))),
        ("each picture looks for its text; each text is to look for its picture: the other dimension", share(cosines.argmax(0))),
        ("that is how many were found; how many of all is wanted, their mean", torch.tensor(float(sum(hits)))),
        ("that is the share of those that were *not* found", torch.tensor(1 - truth)),
        ("in percent; a number from 0 to 1 is wanted", torch.tensor(100 * truth)),
        ("largest product is not nearest: long vectors would win. Divide by the lengths", share((texts @ pictures.T).argmax(1))),
        ("the distance of the points counts lengths too; it is by 1 − cosine that pictures are nearest", share(torch.cdist(texts, pictures).argmin(1))),
        ("lengths are taken over the pictures, not over each vector: dim=1", share((column(texts) @ column(pictures).T).argmax(1))),
        ("the mean of the distances; it is asked how often the own picture is the nearest", (1 - cosines).mean()),
        ("the mean distance to the own picture; it is asked how often that is the nearest", (1 - cosines).diagonal().mean()),
        ("a list of hits is wanted as one number: their mean", torch.tensor([float(hit) for hit in hits])),
        ("the mean of the smallest distances; argmin tells which picture it is", (1 - cosines).amin(1).mean()),
        ("the nearest is compared with 0 each time; text 1 looks for 1, text 2 for 2", (nearest == 0).float().mean()),
        ("the texts are counted from 1, but argmin counts pictures from 0", share(nearest - 1)),
        ("only the first text is asked: does `return` stand inside the loop?", torch.tensor(float(hits[0]))),
        ("how many were found is divided by the length of a code; divide by the number of texts", torch.tensor(sum(hits) / size)),
        ("how many were found is divided by 20; here are more or fewer: len(texts)", torch.tensor(sum(hits) / 20)),
        ("divided by the squares of the lengths; the lengths are wanted", share((texts @ pictures.T / pictures.square().sum(1)).argmax(1))),
        ("one nearest is taken of the whole table; argmin(dim=1) gives one for each text", share(cosines.argmax())),
        ("each text meets its own picture only; it is to be asked among all pictures", torch.tensor(1 / len(own))),
        ("0 each time: is it divided by //, or the smallest distance (min) compared in place of its number (argmin), or the smallest product sought?", torch.tensor(0.0)),
        ("all are found each time: are texts compared with texts, in place of pictures?", torch.tensor(1.0)),
        ("the numbers of the nearest pictures; compare them with 0, 1, 2, … and take the mean", cosines.argmax(1).float()),
    ]


# --- 15.3 ------------------------------------------------------------------------------------------------------------

_LOSS_CRASHES = {"shapes cannot be multiplied": "your function stops: @ wants the words' way as a column, (text - source).T"}


@exercise("15.3", "the picture goes where the words went, whatever the lengths of both ways.")
def check_directional_loss(directional_loss):
    """Tries directional_loss(pictures [N, D], photo [1, D], text [1, D], source [1, D]) → [N]: 1 − cos of two differences."""
    for count, size, seed in [(3, 5, 1), (1, 4, 0), (6, 3, 2)]:
        pictures, photo, text, source = (_some(rows, size, seed=seed + k) for rows, k in ((count, 1), (1, 2), (1, 3), (1, 4)))
        way = (text - source)[0]
        truth = torch.stack([1 - torch.tensor(_cosine(one - photo[0], way)) for one in pictures])
        answer = untouched(directional_loss, pictures, photo, text, source, crashes=_LOSS_CRASHES)
        same(answer, truth, f"the loss of each of {count} pictures", _losses(pictures, photo, text, source, truth))
    differentiable(lambda given: directional_loss(given, photo, text, source), pictures, what="the loss")


def _losses(pictures, photo, text, source, truth):
    """[(message, what this slip gives)], those that differ from the truth."""
    cos = lambda a, b: torch.cosine_similarity(a, b, dim=1)
    ways, way = pictures - photo, text - source
    unit = lambda rows: rows / rows.norm(dim=1, keepdim=True)
    across = "both ways lead between pictures and words; each stays among its own: from photograph to picture, from source to text"
    apart = "a difference of two distances is no way: subtract codes first, then one cosine of both ways"
    added = "added, where it is to be subtracted: a way is where it ends minus where it begins"
    slips = [
        ("that is 1 − cos of picture and text: where it is, not which way it went. Subtract the photograph and the source first", 1 - cos(pictures, text)),
        ("the photograph is not subtracted from the pictures", 1 - cos(pictures, way)),
        ("the source is not subtracted from the text", 1 - cos(ways, text)),
        ("the source is subtracted from the pictures, the photograph from the text: pictures go from the photograph", 1 - cos(pictures - source, text - photo)),
        ("one of the two ways is turned round: from photograph to picture, from source to text", 1 + cos(ways, way)),
        ("that is the cosine; a loss is 0 where both ways are the same: 1 − cosine", cos(ways, way)),
        ("that is minus the cosine; 1 − cosine is wanted, so that 0 is the best", -cos(ways, way)),
        *((f"the product of both ways is not divided by their lengths{more}", one) for more, one in (
            ("", 1 - (ways * way).sum(1)), (", and 1 − is missing", (ways * way).sum(1)), (", and 1 is missing", -(ways * way).sum(1)))),
        *((added, 1 - cos(a, b)) for a, b in ((pictures + photo, text + source), (pictures + photo, way), (ways, text + source))),
        *((across, one) for a, b in ((pictures - text, photo - source), (pictures - source, text - photo))
          for one in (1 - cos(a, b), 1 + cos(a, b))),
        *((apart, (1 - cos(pictures, text)) - other) for other in (1 - cos(source, photo), 1 - cos(pictures, source), 1 - cos(photo, text))),
        *(("the opposite way counts as right: no abs, no square of the cosine", 1 - one) for one in (cos(ways, way).abs(), cos(ways, way)**2)),
        ("divided by the lengths of all pictures' ways together; each has its own: norm(dim=1)", 1 - (ways * way).sum(1) / (ways.norm() * way.norm())),
        ("the codes are divided by their lengths before they are subtracted; it is the ways' lengths that do not matter",
         1 - cos(unit(pictures) - unit(photo), unit(text) - unit(source))),
        ("that is the angle; 1 − its cosine is wanted", torch.acos(cos(ways, way).clamp(-1, 1))),
        ("only the first picture is asked; each has a loss of its own, [N]", truth[:1]),
        ("it is summed over all pictures; over each vector is wanted, dim=1", 1 - (ways * way).sum() / (ways.norm() * way.norm())),
        ("the mean of the products is taken; a cosine has their sum", 1 - (ways * way).mean(1) / (ways.norm(dim=1) * way.norm())),
        ("divided by one length only", 1 - (ways * way).sum(1) / way.norm()),
        ("divided by one length only", 1 - (ways * way).sum(1) / ways.norm(dim=1)),
        ("divided by the squares of the lengths; the lengths are wanted", 1 - (ways * way).sum(1) / (ways.norm(dim=1) * way.norm())**2),
        ("lengths are taken over the pictures, not over each vector: dim=1", 1 - torch.cosine_similarity(ways, way.expand_as(ways), dim=0)),
        ("that is the distance of the ways; their lengths do not matter, only the angle", (ways - way).square().sum(1)),
        ("that is the distance of the ways; their lengths do not matter, only the angle", (ways - way).norm(dim=1)),
        ("that is the distance of the ways; their lengths do not matter, only the angle", (ways - way).square().mean(1)),
        ("that is the distance of the ways, one for all; only the angle matters, and each picture has its own", (ways - way).square().mean()),
        ("the mean over the pictures is taken; each has a loss of its own, [N]", truth.mean()),
        ("the sum over the pictures is taken; each has a loss of its own, [N]", truth.sum()),
        ("the pictures are averaged first; each has a loss of its own, [N]", 1 - cos(ways.mean(0, keepdim=True), way)),
        ("a dimension is left over, [N, 1]; [N] is wanted", truth[:, None]),
        ("a dimension is left over, [1, N]; [N] is wanted", truth[None]),
    ]
    return [slip for slip in slips if slip[1].shape != truth.shape or not torch.allclose(slip[1], truth, rtol=1e-3, atol=1e-5)]
