"""Lesson 09's explorers: a click shows where a place looks, two paintings are mixed; every control answers, wrong functions are told."""
import datetime
import io
import re

import pytest
import torch
from PIL import Image

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons.attention import adain, attention_weights
from nst_lessons.explorers import AnyStyleExplorer, AttentionExplorer


def attention_map(query, key, row, column):
    return attention_weights(query, key)[0, row * query.shape[3] + column].view(key.shape[2:])


def mixed_adain(content, styles, shares):
    return sum(share * adain(content, style) for style, share in zip(styles, shares))


def stub(*_):
    raise NotImplementedError("Exercise 9.2: write attention_map")


# --- AttentionExplorer -----------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def looking():
    return AttentionExplorer(attention_weights=attention_weights, size=96)


def test_every_control_answers(looking):
    drive(looking)


def test_a_click_chooses_the_place_and_the_sliders_follow(looking):
    before = looking.picture.value
    looking.cells[8 * 7 + 1].click()                                               # the last row, the second column
    assert (looking.down.value, looking.across.value) == (94, 19) and looking.picture.value != before
    assert "place 12 of 12 down, 3 of 12 across" in looking.state.value            # 96 px are 12 places
    clicked = looking.picture.value
    looking.cells[0].click()
    looking.down.value, looking.across.value = 94, 19                              # by keyboard
    assert looking.picture.value == clicked


def test_the_cells_lie_over_the_photograph(looking):
    assert len(looking.cells) == 64 and all(cell.tooltip and not cell.tabbable for cell in looking.cells)     # the keyboard has two sliders
    assert looking.cover.children[1:] == tuple(looking.cells) and looking.stage.children == (looking.picture, looking.cover)
    assert float(looking.cover.layout.width[:-1]) / 100 * looking.shown.width == pytest.approx(224, abs=1)
    top, row, rest = [float(one) for one in re.findall(r"([\d.]+)fr", looking.cover.layout.grid_template_rows)]
    assert (top, 8 * row) == (22, 224) and top + 8 * row + rest == pytest.approx(looking.shown.height, abs=1)


def test_a_wide_photograph_has_flat_cells(looking):
    looking.photo.value = "cat"                                                    # 96 × 64 px
    tall = float(re.search(r"repeat\(8, ([\d.]+)fr", looking.cover.layout.grid_template_rows)[1])
    assert 8 * tall == pytest.approx(224 * 64 / 96, abs=4)
    looking.down.value, looking.across.value = 100, 100
    assert "place 8 of 8 down, 12 of 12 across" in looking.state.value
    looking.photo.value, looking.down.value, looking.across.value = "astronaut", 10, 60


def test_it_lights_what_the_function_says():
    """A map with all light in one corner: the painting is bright there and dark elsewhere."""
    def corner(query, key, row, column):
        found = torch.zeros(key.shape[2:])
        found[:3, :3] = 1 / 9
        return found
    one = AttentionExplorer(attention_map=corner, size=96)
    lit = one.shown.crop((224 + 12, 22, 2 * 224 + 12, 22 + 224)).convert("L")
    bright, dark = (sum(lit.crop(box).tobytes()) for box in ((0, 0, 50, 50), (120, 110, 170, 160)))
    assert bright > 3 * dark
    assert "half of what it gathers comes from 5 of 120 places" in one.state.value     # 10 × 12: 77 px are filled up to 80


def test_both_forms_of_the_function_show_the_same():
    assert AttentionExplorer(attention_map=attention_map, size=96).picture.value == AttentionExplorer(attention_weights, size=96).picture.value


@pytest.mark.alone
def test_it_answers_while_a_slider_moves():
    assert seconds(AttentionExplorer(attention_weights).across, range(0, 100, 5)) < 0.25      # 256 px


def test_a_wrong_function_is_told_or_looks_wrong(looking):
    says_stub(AttentionExplorer(attention_map=stub, size=96))
    flattened = AttentionExplorer(attention_map=lambda q, k, r, c: attention_map(q, k, r, c).flatten(), size=96)
    assert "should return [10, 12], it returned [120]" in flattened.problem.value
    assert "NaN or infinity" in AttentionExplorer(attention_map=lambda q, k, r, c: k[0, 0] / 0 * 0, size=96).problem.value
    assert "it returned NoneType" in AttentionExplorer(lambda q, k: None, size=96).problem.value
    assert "stops with RuntimeError" in AttentionExplorer(lambda q, k: q @ k, size=96).problem.value
    flat = AttentionExplorer(lambda q, k: torch.full((1, q[0, 0].numel(), k[0, 0].numel()), 1 / k[0, 0].numel()), size=96)
    assert flat.problem.value == "" and flat.picture.value != looking.picture.value


def test_the_attention_explorer_without_a_kernel(looking):
    reads_without_a_kernel(looking, "AttentionExplorer(attention_weights=attention_weights)")


# --- AnyStyleExplorer ------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def mixer():
    return AnyStyleExplorer(mixed_adain, size=96)


def test_every_control_of_the_mixer_answers(mixer):
    drive(mixer)


@pytest.mark.alone
def test_the_mixer_answers_while_the_slider_moves():
    assert seconds(AnyStyleExplorer(mixed_adain).share, range(5, 100, 10)) < 0.6              # 256 px, one pass with one thread


def _painting(one):
    return one.shown.crop((92, 22, one.shown.width, one.shown.height)).tobytes()


def test_at_its_ends_the_slider_shows_one_style_alone(mixer):
    mixer.share.value = 0
    alone = _painting(mixer)
    mixer.first.value, mixer.second.value, mixer.share.value = mixer.second.value, mixer.first.value, 100
    assert _painting(mixer) == alone
    mixer.first.value, mixer.second.value, mixer.share.value = mixer.second.value, mixer.first.value, 50


def test_the_learners_function_does_every_adain(mixer):
    """With the package's own mixture in its place the picture is the network's own."""
    calls = []

    def counted(content, styles, shares):
        calls.append((len(styles), round(sum(shares), 6)))
        return mixed_adain(content, styles, shares)
    one = AnyStyleExplorer(counted, size=96)
    assert len(calls) == len(one._net.layers) + 2 and set(calls) == {(2, 1.0)}
    one.strength.value = 50                                                        # the photograph is a third style
    assert calls[-1] == (3, 1.0)
    from nst_lessons.attention import load_any
    from nst_lessons.explorers.controls import load_sample
    photo, first, second = (load_sample(name, 96) for name in ("cat", "starry", "woodcut"))
    torch.testing.assert_close(one._net(photo, [(first, 0.5), (second, 0.5)]), load_any("adain")(photo, [(first, 0.5), (second, 0.5)]),
                               rtol=1e-3, atol=1e-3)


def upload(name, data):
    """What a browser sends for one file."""
    return ({"name": name, "type": "image/png", "size": len(data), "content": memoryview(data), "last_modified": datetime.datetime.now(datetime.timezone.utc)},)


def test_a_painting_of_ones_own(mixer):
    before, file = mixer.picture.value, io.BytesIO()
    Image.new("RGB", (80, 60), "orange").save(file, "PNG")
    mixer.first_upload.value = upload("mine.png", file.getvalue())
    assert mixer.first.value == "own picture 1: mine.png" and mixer.picture.value != before and mixer.problem.value == ""
    mixer.first.value = "starry"
    assert mixer.picture.value == before
    mixer.photo_upload.value = upload("words.txt", b"no picture")
    assert "not a picture" in mixer.problem.value and mixer.picture.value == before
    mixer.share.value = 45
    mixer.share.value = 50
    assert mixer.problem.value == ""


def test_a_wrong_mixture_looks_wrong_or_is_told(mixer):
    says_stub(AnyStyleExplorer(stub, size=96))
    summed = AnyStyleExplorer(lambda c, ys, s: mixed_adain(c, ys, [1] * len(ys)), size=96)
    assert summed.problem.value == "" and summed.picture.value != mixer.picture.value
    assert "it returned NoneType" in AnyStyleExplorer(lambda *_: None, size=96).problem.value
    assert "NaN or infinity" in AnyStyleExplorer(lambda c, ys, s: c / 0, size=96).problem.value


def test_the_mixer_without_a_kernel(mixer):
    reads_without_a_kernel(mixer, "AnyStyleExplorer(mixed_adain=mixed_adain)")
