"""Settings: JSON both ways, and nothing that makes no sense gets in."""
import dataclasses
import json

import pytest

from nst_lessons import Settings

# Every field, none at its default. A new field has to be added here too: the first test says so.
FULL = {
    "content": "café.jpg", "style": ["starry", "waves:7"], "words": "梵高风格, thick", "clip": "ViT-B-32", "size": 320, "backbone": "vgg19", "weights": "vgg.pth",
    "pooling": "avg", "smooth": True, "alpha": 0.25, "beta": 3, "gamma": 0.0,
    "content_layers": {"relu4_2": 1.0, "relu3_2": 0.5}, "style_layers": ["relu1_1", "conv2_1"],
    "style_weights": [0.7, 0.3], "statistic": "sliced", "scaling": "gatys", "method": "adam", "steps": 77, "levels": 2, "style_scale": 1.5,
    "precision": "bf16", "tile": 512, "init": "noise", "seed": 12, "preserve_color": True,
    "masks": ["not sky.png", "rectangle:0,0,0.5,1"], "untouched": True, "feather": 0.05,
}


def test_every_field_is_tried_below():
    fields = {field.name: field.default for field in dataclasses.fields(Settings)}
    assert FULL.keys() == fields.keys()
    assert [name for name in fields if fields[name] == FULL[name]] == []


@pytest.mark.parametrize("options", [FULL, {}, *({name: value} for name, value in FULL.items())],
                         ids=["all", "none", *FULL])
def test_json_both_ways(options):
    settings = Settings(**options)
    text = settings.to_json()
    assert "\n" not in text and json.loads(text) == {**dataclasses.asdict(Settings()), **options}
    back = Settings.from_json(text)
    assert back == settings
    assert all(type(back[name]) is type(settings[name]) for name in settings.keys())
    assert back.to_json() == text
    if options.get("content_layers"):
        assert list(back.content_layers) == list(options["content_layers"])     # the order of layers survives as well


def test_it_unpacks_like_a_dictionary():
    assert dict(**Settings(**FULL)) == FULL
    assert Settings(**Settings(**FULL)) == Settings(**vars(Settings(**FULL))) == Settings.of(**FULL)


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().size = 64


def test_json_may_leave_out_what_is_at_its_default():
    assert Settings.from_json('{"size": 64}') == Settings(size=64)


@pytest.mark.parametrize("make", [lambda: Settings.of(sise=64), lambda: Settings.from_json('{"size": 64, "sise": 64}')])
def test_an_unknown_name_is_refused_with_those_there_are(make):
    with pytest.raises(ValueError, match="unknown setting 'sise'; there are ") as caught:
        make()
    assert [name for name in FULL if name not in str(caught.value)] == []


@pytest.mark.parametrize("text, message", [("", "not JSON"), ('{"size": 64', "not JSON"),
                                           ("[64]", "JSON object"), ("null", "JSON object")])
def test_what_is_not_settings_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        Settings.from_json(text)


WHOLE, POSITIVE = "whole number of at least", "number of at least 0"


@pytest.mark.parametrize("name, value, message", [
    ("scaling", "relativ", "relative, gatys, article"), ("method", "sgd", "lbfgs, adam"), ("pooling", "min", "max, avg"),
    ("precision", "fp8", "fp32, bf16, fp16"), *(("tile", value, f"{WHOLE} 32") for value in (0, 31, -1, 64.0, "512")),
    ("statistic", "gramm", "gram, mean_std, covariance, sliced, patches"), ("preserve_color", "all", "True, luminance, match"),
    ("preserve_color", None, "True, luminance, match"), ("pooling", None, "max, avg"), ("method", ["lbfgs"], "lbfgs, adam"),
    *((name, value, POSITIVE) for name in ("alpha", "beta", "gamma")
      for value in (-0.1, float("nan"), float("inf"), "1", [1], True)),
    *(("size", value, f"{WHOLE} 16") for value in (0, 15, -64, 64.5, 64.0, "64", "big", float("nan"), float("inf"), True, [64])),
    *(("steps", value, f"{WHOLE} 1") for value in (0, -1, 1.5, None, "9")),
    *(("levels", value, f"{WHOLE} 1") for value in (0, 2.5, "two")),
    *(("seed", value, f"{WHOLE} 0") for value in (-1, 0.5, None, "x")), ("seed", 2**70, "seed="),
    *(("masks", value, "a list of files or recipes") for value in ([], "background", [1], {"a": 1})),
    *(("untouched", value, "give True or False") for value in (1, None, "yes")),
    *((name, value, "give a text, or None") for name in ("words", "clip") for value in ("", "  ", 3, ["blue"])),
    *(("feather", value, "between 0 and 0.5") for value in (-0.01, 0.6, float("nan"), None, "1")),
    *(("style_scale", value, "between 0.05 and 20") for value in (0, 0.01, 21, float("nan"), None, "1")),
])
def test_what_makes_no_sense_is_refused_by_name(name, value, message):
    with pytest.raises(ValueError) as caught:
        Settings(**{name: value})
    assert message in str(caught.value) and f"{name}={value!r}" in str(caught.value)


@pytest.mark.parametrize("options", [{"alpha": 0}, {"gamma": 0.0}, {"size": 16}, {"steps": 1}, {"levels": 1}, {"seed": 0}, {"tile": 32},
                                     {"style_scale": 0.05}, {"style_scale": 20}, {"size": None}, {"alpha": None}])
def test_the_edges_are_allowed(options):
    assert Settings(**options)[next(iter(options))] == next(iter(options.values()))
