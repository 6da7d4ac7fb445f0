"""Lesson 15: captions to learn from: how somebody, in English or in Chinese, might describe a style that we can draw."""
from .lexicon import CONCEPT_OF, COLORS, MARKS, NAMES, SCALES, SCENES, TEXTURES, WORDS_OF
from .recipe import meaning
from .tokens import tokenize

_TABLES = {"texture": TEXTURES, "mark": MARKS, "scale": SCALES, "scene": SCENES, "name": NAMES}
_SAID = {"texture": 0.8, "mark": 0.8, "scale": 0.75}             # how often each is said outright


def some_concepts(rng):
    """What somebody may say: a list of concepts, one at most of each kind, and up to three colors."""
    pick = lambda table: list(table)[rng.integers(len(table))]
    said = []
    if (named := rng.random() < 0.25):
        said.append(f"name:{pick(NAMES)}")
        if rng.random() < 0.35:
            return said                                           # a name alone
    for kind, often in _SAID.items():
        if rng.random() < (often if not named else 0.3):
            said.append(f"{kind}:{pick(_TABLES[kind])}")
    about = rng.random()
    if about < (0.7 if not named else 0.4):
        count = rng.choice([1, 2, 3], p=[0.3, 0.5, 0.2])
        said += [f"color:{list(COLORS)[k]}" for k in rng.choice(len(COLORS), count, replace=False)]
    elif about < (0.88 if not named else 0.5):
        said.append(f"scene:{pick(SCENES)}")
    return said or some_concepts(rng)


def described(concepts, rng, chinese=None):
    """A sentence that says these concepts, in random words and order; chinese: True, False, or None for a random language.

    Read again word by word it means the same: expressions that run into each other are tried anew.
    """
    chinese = rng.random() < 0.5 if chinese is None else chinese
    wanted = meaning(concepts)
    for _ in range(60):
        text = _sentence(concepts, rng, chinese)
        known, unknown = tokenize(text)
        if not unknown and meaning([CONCEPT_OF[word] for word in known]) == wanted:
            return text
    raise ValueError(f"no sentence for {concepts}")


def _sentence(concepts, rng, chinese):
    words = {}
    for concept in concepts:
        forms = [form for form in WORDS_OF[concept] if (ord(form[0]) > 0x2fff) == chinese]
        words.setdefault(concept.partition(":")[0], []).append(forms[rng.integers(len(forms))])
    return (_in_chinese if chinese else _in_english)(words, rng)


def _in_english(words, rng):
    one = lambda kind: words.get(kind, [""])[0]
    colors = (" and " if len(words.get("color", [])) < 3 else ", ").join(rng.permutation(words.get("color", [])))
    scale, texture, mark, scene = (one(kind) for kind in ("scale", "texture", "mark", "scene"))
    clauses = [[f"{texture} {scene}", f"{scale} {colors} {mark}"], [f"{texture}", f"{scale} {mark} of {scene}", f"in {colors}"],
               [f"{colors} {scene} {mark}", f"{scale} and {texture}"], [f"{scale} {texture} {colors} {scene} {mark}"],
               [f"{mark}", f"{scale}", f"{texture}", f"{colors} {scene}"]][rng.integers(5)]
    if one("name"):
        clauses.append([f"{one('name')} style", f"in the style of {one('name')}", f"{one('name')}", f"like {one('name')}"][rng.integers(4)])
    clauses = [" ".join(clause.split()).removesuffix(" of").removesuffix(" and").removeprefix("and ") for clause in rng.permutation(clauses)]
    return ", ".join(clause for clause in clauses if clause not in ("", "in", "of", "and"))


def _in_chinese(words, rng):
    one = lambda kind: words.get(kind, [""])[0]
    colors = ["", "和", "、"][rng.integers(3)].join(rng.permutation(words.get("color", [])))
    link = lambda *parts: "的".join(part for part in parts if part)
    scale, texture, mark, scene = (one(kind) for kind in ("scale", "texture", "mark", "scene"))
    clauses = [[link(texture, scene), link(scale, f"{colors}{mark}")], [link(scale, texture, scene), link(colors, mark)],
               [f"{scale}{mark}", f"{texture}{scene}", colors], [f"用{scale}的{mark}画{texture}的{scene}", colors],
               [link(colors, f"{texture}{mark}"), scale, scene]][rng.integers(5)]
    if one("name"):
        clauses.append([f"{one('name')}风格", f"{one('name')}的画", f"{one('name')}", f"像{one('name')}一幅画"][rng.integers(4)])
    return "，".join(clause for clause in rng.permutation(clauses) if clause)
