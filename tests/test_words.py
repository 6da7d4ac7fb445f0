"""Lesson 15: words in two languages, studies, the space of styles, the shipped encoder, the target in a painting."""
import itertools
import json

import numpy as np
import pytest
import torch

import nst_lessons as nst
from benchmarks import words as benchmark
from nst_lessons import cli, loading, words
from nst_lessons.explorers.captions import stem
from nst_lessons.explorers.studio.code import as_code
from nst_lessons.stylize import paint
from nst_lessons.words import captions, lexicon, space, tokens
from nst_lessons.words.arrangement import TEXTURES, arrange
from nst_lessons.words.colors import RAMPS, from_dark_to_light, shades
from nst_lessons.words.marks import MARKS, SCALES
from nst_lessons.words.tokens import nearest


@pytest.fixture(scope="module")
def tiny():
    return nst.Features("tiny")


# --- words -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, known, unknown", [
    ("swirling night sky, thick blue and yellow strokes", "swirling|night sky|thick|blue|and|yellow|strokes", ""),
    ("旋转的夜空，粗犷的蓝黄笔触", "旋转|的|夜空|粗犷|的|蓝|黄|笔触", ""),
    ("Van Gogh's style", "van gogh|style", ""), ("VAN GOGH", "van gogh", ""), ("梵高风格", "梵高|风格", ""), ("水墨山水", "水墨山水", ""),
    ("post-impressionism", "post-impressionism", ""), ("blue-and-yellow dots", "blue|and|yellow|dots", ""), ("Dürer", "dürer", ""),
    ("葛饰北斋的浮世绘", "葛饰北斋|的|浮世绘", ""), ("点彩派，立体派，印象派", "点彩派|立体派|印象派", ""), ("莫奈 blue 星空", "莫奈|blue|星空", ""),
    ("cyberpunk dots 2", "dots", "cyberpunk|2"), ("赛博朋克的蓝色", "的|蓝色", "赛博朋克"), ("猫和狗", "和", "猫|狗"), ("ｂｌｕｅ！", "blue", ""), ("", "", ""),
])
def test_sentences_are_cut_into_words(text, known, unknown):
    assert words.tokenize(text) == ([*filter(None, known.split("|"))], [*filter(None, unknown.split("|"))])


def test_a_word_stands_for_one_concept_and_every_concept_has_words_in_both_languages():
    every = [word for forms in words.WORDS_OF.values() for word in forms]
    assert len(every) == len(set(every)) == len(words.CONCEPT_OF) > 600
    for concept, forms in words.WORDS_OF.items():
        chinese = [ord(form[0]) > 0x2fff for form in forms]
        assert any(chinese) and not all(chinese), concept
        for form in forms:                                        # each is found again, alone
            assert words.tokenize(form) == ([form], []), form


@pytest.mark.parametrize("text, known, unknown, stood_in", [
    ("a blue watercolour", "a|blue|washes", "", "watercolour"), ("蓝色的水彩画", "蓝色|的|晕染", "", "水彩画"), ("素描，细密", "排线|细密", "", "素描"),
    ("pencil sketch, pixel-art", "hatching|hatching|mosaic", "", "pencil|sketch|pixel art"), ("dark red and dark blue", "black|red|and|dark blue", "", "dark"),
    ("Monet's water lilies", "monet|monet|green|blue", "", "water lilies"), ("彩虹的睡莲", "红|黄|蓝|的|莫奈|绿|蓝", "", "彩虹|睡莲"),
    ("dark-brown dots", "black|brown|dots", "", "dark"), ("大理石的纹理", "的|纹理", "大理石", ""), ("大的石子，火车", "大|的|石子", "火车", ""),
    ("neon comic, bright; 霓虹漫画", "", "neon|comic|bright|霓虹|漫画", ""), ("water and sketchy", "water|and", "sketchy", ""),
])
def test_what_was_not_taught_is_unknown_or_has_a_stand_in(text, known, unknown, stood_in):
    split = lambda words: [*filter(None, words.split("|"))]
    assert words.tokenize(text) == (split(known), split(unknown)) and [*tokens.stand_ins(text)] == split(stood_in)


def test_stand_ins_are_of_our_words_and_no_pair_of_our_words_is_cut_otherwise():
    assert not {*tokens.STAND_INS, *tokens.OTHERS} & words.CONCEPT_OF.keys()
    assert all(lexicon.CONCEPT_OF.get(word, "filler:filler") != "filler:filler" for heard in tokens.STAND_INS.values() for word in heard)
    ours, more = [word for word in words.CONCEPT_OF if ord(word[0]) > 0x2fff], [*tokens.STAND_INS, *tokens.OTHERS]
    pairs = {before + after for one in more for k in range(1, len(one))
             for before in ours if before.endswith(one[:k]) for after in ours if after.startswith(one[k:])}
    assert pairs and all(words.tokenize(pair)[1] == [] and not tokens.stand_ins(pair) for pair in pairs)


def test_a_misspelled_word_is_guessed():
    assert nearest("swirlin") == "swirling" and nearest("qqqq") is None
    assert nearest("art") is None                                  # a filler would help nobody
    assert words.tokenize("a stained-glass window")[1] == ["window"] and "stained glass" in words.tokenize("stained-glass")[0]


def test_meaning_what_is_said_goes_before_scene_name_and_habit():
    of = lambda *concepts: words.meaning(concepts)
    assert of("name:van_gogh").school == "starry" and of("mark:dots").school == "pointillism"
    red = of("name:van_gogh", "color:red")
    assert (red.school, red.colors, red.texture, red.mark, red.scale) == ("", ("red",), "swirls", "brush", "large")
    assert of("scene:night", "mark:tiles").colors == ("blue", "yellow") and of("scene:night", "color:green").colors == ("green",)
    assert of("texture:rays") == words.Recipe(from_dark_to_light(("blue", "gold", "yellow")), "rays", "brush", "medium")


def test_habits_and_names_know_only_what_there_is():
    for school, colors, texture, mark, scale in [entry[2:] for entry in lexicon.NAMES.values()]:
        assert school in lexicon.SCHOOLS and texture in TEXTURES and mark in MARKS and scale in SCALES and set(colors.split()) <= RAMPS.keys()
    assert set(lexicon.SCHOOLS[1:]) <= set(nst.samples()["paintings"])
    assert all(set(colors.split()) <= RAMPS.keys() for *_, colors in lexicon.SCENES.values())


def test_captions_mean_what_they_were_made_from():
    rng = np.random.default_rng(3)
    seen = set()
    for _ in range(60):
        one = words.some_concepts(rng)
        for chinese in (False, True):
            text = words.described(one, rng, chinese)
            known, unknown = words.tokenize(text)
            assert not unknown and words.meaning([words.CONCEPT_OF[word] for word in known]) == words.meaning(one)
            assert any(ord(sign) > 0x2fff for sign in text) == chinese
            seen.add(text)
    assert len(seen) > 100


def test_one_in_five_combinations_is_held_out_and_every_pair_is_trained():
    combinations = list(itertools.product(TEXTURES, MARKS, SCALES))
    out = {one for one in combinations if words.held_out(words.Recipe(("red",), *one))}
    assert len(out) == 21
    for first, second in itertools.combinations(range(3), 2):
        assert {(one[first], one[second]) for one in combinations} == {(one[first], one[second]) for one in combinations if one not in out}


# --- studies ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("mark", MARKS)
def test_studies_repeat_and_differ(mark):
    recipe = lambda **more: words.Recipe(**{"colors": ("blue", "yellow"), "texture": "swirls", "mark": mark, "scale": "large"} | more)
    first = recipe().picture(128, 1)
    assert first.shape == (128, 128, 3) and first.dtype == np.float32 and 0 <= first.min() and first.max() <= 1
    assert np.array_equal(first, recipe().picture(128, 1))
    for other in (recipe(colors=("black", "red")), recipe(texture="rays"), recipe(scale="fine")):
        assert np.abs(other.picture(128, 1) - first).mean() > 0.02
    assert np.abs(recipe().picture(128, 2) - first).mean() > 0.02
    assert recipe().picture(64, 1).shape == (64, 64, 3)


@pytest.mark.parametrize("texture", TEXTURES)
def test_an_arrangement_is_the_same_at_every_size_and_has_every_value_equally_often(texture):
    small, large = arrange(texture, 64, 5), arrange(texture, 128, 5)
    shrunk = large.value.reshape(64, 2, 64, 2).mean((1, 3))
    assert np.corrcoef(small.value.ravel(), shrunk.ravel())[0, 1] > 0.97
    assert np.abs(np.histogram(large.value, 4, (0, 1))[0] - 4096).max() <= 2


def test_the_strokes_of_swirls_follow_the_level_lines():
    lines = arrange("swirls", 128, 2)
    down, across = np.gradient(lines.phase)
    along = np.cos(lines.angle) * across + np.sin(lines.angle) * down
    assert np.abs(along).max() < 1e-3 * np.hypot(down, across).max()


def test_colors():
    assert from_dark_to_light(("yellow", "black", "white", "blue")) == ("black", "blue", "yellow", "white")
    assert np.allclose(shades(("red", "blue"), np.array([1, 0, 1]), np.array([0, 1, 0.125])),
                       [RAMPS["blue"][0], RAMPS["red"][4], (RAMPS["blue"][0] + RAMPS["blue"][1]) / 2])


# --- the space -------------------------------------------------------------------------------------------------------

def test_root():
    some = torch.randn(3, 5, 5, dtype=torch.float64)
    table = some @ some.mT
    half = space.root(table)
    assert torch.allclose(half @ half, table) and torch.allclose(half, half.mT)
    assert torch.linalg.eigvalsh(half).min() > -1e-9


def test_a_code_and_its_way_back(tiny):
    _, styles = words.load_words()
    picture = torch.from_numpy(words.Recipe(("blue", "yellow"), "swirls", "brush", "large").picture(space.SIDE, 77)).permute(2, 0, 1)[None]
    code = styles.measure(picture, tiny).cpu()
    assert code.shape == (1, 64) and torch.allclose(code, words.measure(picture, tiny))
    tables = styles.grams(code)
    again = styles.code(tables)
    assert torch.cosine_similarity(code, again).item() > 0.98
    for layer, act in tiny(picture, space.LAYERS).items():
        gram = nst.gram_matrix(act).cpu()
        assert torch.linalg.eigvalsh(tables[layer][0]).min() > -1e-3 * gram.norm()
        assert (tables[layer] - gram).norm() < 0.5 * gram.norm(), layer


def test_text_distance_and_top_one():
    texts, pictures = torch.randn(4, 6), torch.randn(4, 6)
    assert torch.allclose(words.text_distance(texts[:1], pictures), 1 - torch.cosine_similarity(texts[:1], pictures))
    assert words.top_one(texts, 5 * texts) == 1 and words.top_one(texts, texts.roll(1, 0)) == 0


# --- the shipped encoder ---------------------------------------------------------------------------------------------

def test_held_out_combinations_find_their_pictures_in_both_languages():
    for language, (top, recipe) in benchmark.measure(sets=1).items():
        assert top >= 0.6 and recipe >= 0.7, (language, top, recipe)


@pytest.mark.parametrize("text, wanted", [
    ("swirling night sky, thick blue and yellow strokes", (("blue", "yellow"), "swirls", "brush", "large", "")),
    ("旋转的夜空，粗犷的蓝黄笔触", (("blue", "yellow"), "swirls", "brush", "large", "")),
    ("fine red and black dots, in waves", (("black", "red"), "waves", "dots", "fine", "")),
    ("红黑木刻，漩涡，细密", (("black", "red"), "swirls", "lines", "fine", "")),
])
def test_a_description_becomes_a_recipe(text, wanted):
    assert words.style_from_words(text).recipe == words.Recipe(*wanted)


@pytest.mark.parametrize("texts, school", [
    (("Van Gogh style", "梵高风格", "文森特梵高的画"), "starry"), (("ukiyo-e", "浮世绘", "葛饰北斋风格"), "waves"), (("ink wash", "水墨山水", "齐白石"), "ink_wash"),
    (("impressionism", "莫奈", "印象派"), "sunset_harbor"), (("cubism", "立体派", "毕加索"), "cubist"), (("pointillism", "点彩派", "修拉"), "pointillism"),
])
def test_names_lead_to_the_museum(texts, school):
    targets = [words.style_from_words(text) for text in texts]
    assert [one.recipe.school for one in targets] == [school] * len(texts)
    assert torch.cosine_similarity(targets[0].code, targets[1].code, dim=0) > 0.95


def test_unknown_words_are_named_not_swallowed():
    target = words.style_from_words("swirlin cyberpunk dots, 猫")
    assert target.unknown == ("swirlin", "cyberpunk", "猫")
    told = target.told()
    assert "our own encoder, offline" in told and "'swirlin' (did you mean 'swirling'?)" in told and "'cyberpunk'" in told and "'猫'" in told
    assert "\n" not in told and "not understood" not in words.style_from_words("dots").told()
    assert "; '水彩' taken as '晕染'; 'rainbow' taken as 'red yellow blue'; not understood and left out: '大理石'" in \
        words.style_from_words("水彩 rainbow 大理石").told()
    for text in ("", "the style of", "cyberpunk", "的"):
        with pytest.raises(ValueError, match="says what it should look like"):
            words.style_from_words(text)
    with pytest.raises(ValueError, match="did you mean 'swirling'"):
        words.style_from_words("swirlin")
    with pytest.raises(ValueError, match="is a text"):
        words.style_from_words(3)


def test_the_file_is_small_and_another_is_refused(tmp_path):
    encoder, styles = words.load_words()
    assert loading.embedded("words.safetensors").stat().st_size < 1e6
    again, _ = words.load_words(words.save_words(encoder, styles, tmp_path / "w.safetensors"))
    numbers = encoder.numbers([["blue", "dots"], ["梵高"]])
    assert torch.equal(again(numbers)[0], encoder(numbers)[0])
    with pytest.raises(loading.WeightsError, match="holds no encoder of words"):
        words.load_words(loading.embedded("tiny.safetensors"))


def test_the_order_of_words_and_empty_places_do_not_matter():
    encoder, _ = words.load_words()
    alone, _ = encoder(encoder.numbers([["blue", "dots", "swirls"]]))
    padded, _ = encoder(encoder.numbers([["swirls", "blue", "dots"], ["red", "的", "的", "的", "的", "的"]]))
    assert torch.allclose(alone[0], padded[0], atol=1e-4)


# --- in a painting ---------------------------------------------------------------------------------------------------

TEXT = "thick blue and yellow strokes"


@pytest.fixture(scope="module")
def photo():
    return nst.load_image("cat", size=64)


def test_a_target_paints_and_comes_nearer(photo, tiny):
    target = words.style_from_words(TEXT)
    painted = nst.stylize(photo, target, size=64, steps=16, levels=1)
    assert painted.shape == photo.shape and torch.equal(painted, nst.stylize(photo, words=TEXT, size=64, steps=16, levels=1))
    assert target.distance(painted, tiny) < 0.5 * target.distance(photo, tiny)


def test_the_predicted_tables_are_in_the_objective_where_they_belong(photo):
    target = words.style_from_words(TEXT)
    first = lambda **more: next(paint(photo, target, nst.Settings(size=64, steps=1, levels=1, **more)))
    both, masked = first().terms.by_layer["style"], first(masks=["rectangle:0,0,1,1"]).terms.by_layer["style"]
    study = next(paint(photo, target.picture(64), nst.Settings(size=64, steps=1, levels=1))).terms.by_layer["style"]
    for layer in study:
        gram = nst.gram_matrix(nst.Features("tiny")(photo, [layer])[layer]).cpu()
        predicted = (gram - target.grams[layer]).square().sum() / target.grams[layer].square().sum()
        assert torch.allclose(both[layer] - study[layer], 0.5 * 0.2 * predicted, rtol=1e-2)
        assert torch.allclose(masked[layer], study[layer], rtol=1e-3)
    assert first(backbone="random").terms.style.isfinite().all()


def test_words_or_a_style_not_both(photo):
    with pytest.raises(ValueError, match="leave one of them out"):
        nst.stylize(photo, "starry", words="blue", size=64, steps=1)
    with pytest.raises(ValueError, match="no style: give a painting, or words="):
        nst.stylize(photo, size=64, steps=1)


def test_words_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run = lambda *line: cli.main(["stylize", "cat", *line, "-o", "out.png", "--size", "48", "--steps", "3", "--levels", "1"])
    assert run("--words", "旋转的蓝黄笔触 zebra") == 0
    told = capsys.readouterr().err
    assert "nst-lessons: words, by our own encoder, offline: blue and yellow, swirls" in told and "left out: 'zebra'" in told
    settings = nst.Settings.of(**nst.images.read_settings("out.png"))
    assert settings.words == "旋转的蓝黄笔触 zebra" and settings.style is None
    again = nst.stylize("cat", **settings)
    assert (again - nst.load_image("out.png")).abs().max() < 0.003                # a PNG has 256 steps
    for line, says in ((("starry", "--words", "blue"), "give one of both"), ((), "give one of both"), (("--words", "qqq"), "look like"),
                       (("--words", "blue", "--clip", "ViT-Q"), "no such model")):
        assert run(*line) == 2
        assert says in capsys.readouterr().err


def test_words_as_code_to_copy():
    settings = nst.Settings(content="cat", words="梵高风格, thick", size=48, steps=2, alpha=0.1, beta=1, gamma=0.1)
    code = as_code(settings)
    assert "words='梵高风格, thick'" in code and stem(settings) == "cat_梵高风格-thick"
    found = {}
    exec(code.replace("nst.save_image(", "found.update(done=True); ("), {"found": found})
    assert found == {"done": True} and json.loads(settings.to_json())["words"] == "梵高风格, thick"
