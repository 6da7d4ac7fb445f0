"""Lesson 15 with CLIP: its losses on a tiny model of open_clip with random weights, against loops and finite differences; what cannot be had is told."""
import http.server
import math
import socket
import threading

import pytest
import torch

import nst_lessons as nst
from nst_lessons import loading, words
from nst_lessons.scale import tiled
from nst_lessons.stylize import paint
from nst_lessons.words import clip

open_clip = pytest.importorskip("open_clip")
constants = pytest.importorskip("huggingface_hub").constants


@pytest.fixture(scope="module")
def encoder():
    torch.manual_seed(0)
    model = open_clip.CLIP(embed_dim=16, vision_cfg=dict(image_size=16, layers=1, width=32, head_width=16, patch_size=8),
                           text_cfg=dict(context_length=16, vocab_size=49408, width=32, heads=2, layers=1))
    return clip.ClipEncoder(model, open_clip.SimpleTokenizer(context_length=16), "toy")


@pytest.fixture(scope="module")
def photo():
    return nst.load_image("cat", size=48)


def test_directional_loss_against_a_loop():
    pictures, photo, text, source = torch.randn(3, 5), torch.randn(1, 5), torch.randn(1, 5), torch.randn(1, 5)
    way = [float(a - b) for a, b in zip(text[0], source[0])]
    for row, loss in zip(pictures, clip.directional_loss(pictures, photo, text, source)):
        mine = [float(a - b) for a, b in zip(row, photo[0])]
        cosine = sum(a * b for a, b in zip(mine, way)) / math.dist(mine, [0] * 5) / math.dist(way, [0] * 5)
        assert loss.item() == pytest.approx(1 - cosine, abs=1e-5)


def test_crops_that_have_gone_far_enough_count_no_more():
    losses = torch.tensor([0.2, 0.69, 0.7, 1.1], requires_grad=True)
    total = clip.patch_loss(losses)
    assert total.item() == pytest.approx((0.7 + 1.1) / 4)
    total.backward()
    assert losses.grad.tolist() == [0, 0, 0.25, 0.25]


def test_a_crop_without_tilt_is_the_picture_cut_out():
    ramp = torch.arange(32.0).expand(1, 3, 32, 32) / 32                       # brightness is the place, so a crop tells where it is from
    crops = clip.random_crops(ramp, 4, 16, 16, torch.Generator().manual_seed(1), tilt=0)
    assert crops.shape == (4, 3, 16, 16)
    steps = crops[:, 0, 0].diff(dim=1)[:, 1:-1]
    assert torch.allclose(steps, torch.full_like(steps, 16 / 15 / 32), atol=1e-3) and torch.allclose(crops[:, :, 0], crops[:, :, -1], atol=1e-4)
    tilted = clip.random_crops(ramp, 4, 16, 16, torch.Generator().manual_seed(1))
    assert (tilted[:, :, 0] - tilted[:, :, -1]).abs().max() > 0.02            # no longer upright


def test_embeddings_have_length_one_and_pictures_pass_gradients(encoder, photo):
    texts = encoder.texts(["red dots", "blue"])
    picture = photo.clone().requires_grad_()
    found = encoder.pictures(picture)
    assert torch.allclose(texts.norm(dim=1), torch.ones(2)) and torch.allclose(found.norm(dim=1), torch.ones(1))
    found[0, 0].backward()
    assert picture.grad.abs().sum() > 0 and all(not one.requires_grad for one in encoder.model.parameters())


def test_the_term_is_the_weighted_sum_of_both_losses_and_the_same_for_the_same_picture(encoder, photo):
    target = clip.ClipTarget("red dots", encoder)
    term = target.term(photo)
    picture = (photo + 0.1 * torch.rand(photo.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    sums = term.measure({}, picture)
    wanted = clip.patch_loss(sums["crops"][0]) + 500 / 9000 * sums["picture"]
    assert term.loss(sums).shape == (1,) and torch.allclose(term.loss(sums), wanted)
    text, source = target.direction
    assert torch.allclose(sums["picture"], clip.directional_loss(encoder.pictures(picture), encoder.pictures(photo), text, source))
    assert torch.equal(term.measure({}, picture)["crops"], sums["crops"])
    assert not torch.equal(term.measure({}, picture * 0.99)["crops"], sums["crops"])
    with pytest.raises(ValueError, match="one picture at a time"):
        term.measure({}, picture.expand(2, -1, -1, -1))


def test_the_gradient_against_finite_differences(encoder, photo):
    target, picture = clip.ClipTarget("red dots", encoder), photo.clone()
    text, source = target.direction
    model = encoder.model.double()
    try:
        loss = lambda x: clip.directional_loss(encoder.pictures(x), encoder.pictures(photo.double() * 0.5), text.double(), source.double()).sum()
        x = picture.double().requires_grad_()
        way = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        slope = (torch.autograd.grad(loss(x), x)[0] * way).sum()
        with torch.no_grad():
            steps = (loss(x + 1e-5 * way) - loss(x - 1e-5 * way)) / 2e-5
        assert slope.item() == pytest.approx(steps.item(), rel=1e-3)
    finally:
        model.float()


def test_painting_with_clip(encoder, photo):
    target = clip.ClipTarget("red dots", encoder)
    course = [(one.terms.floats(), one.plan.method) for one in paint(photo, target, nst.Settings(size=48, steps=25, alpha=0.001, gamma=0))]
    assert {method for _, method in course} == {"adam"}
    assert course[-1][0]["style"] < course[0][0]["style"] - 0.02                              # it goes the way of the words
    assert nst.stylize(photo, target, size=48, steps=2).shape == photo.shape
    assert target.told() == "words, by open_clip's toy: directional loss on the picture and 12 crops"
    for more, says in (({"masks": ["background"]}, "masks"), ({"tile": 32}, "tile"), ({"init": "style"}, "init"), ({"preserve_color": "match"}, "match")):
        with pytest.raises(ValueError, match=f"leave out .*{says}"):
            nst.stylize(photo, target, size=48, steps=1, **more)
    with pytest.raises(ValueError, match="another style beside it"):
        nst.stylize(photo, [target, photo], size=48, steps=1)
    with pytest.raises(ValueError):
        tiled(clip.ClipObjective(nst.Features("random"), photo, target), 32)


def test_auto_takes_our_own_encoder_where_no_weights_are(monkeypatch):
    monkeypatch.setattr(clip, "_on_disk", lambda name: False)
    assert "our own encoder" in words.style_from_words("red dots", clip="auto").told()


def test_auto_takes_clip_where_weights_are(monkeypatch, encoder):
    monkeypatch.setattr(clip, "_on_disk", lambda name: name == "RN50")
    monkeypatch.setattr(clip, "load_clip", lambda name: encoder if name == "RN50" else None)
    assert "open_clip's toy" in words.style_from_words("梵高风格", clip="auto").told()


def test_a_local_file_is_read(tmp_path, monkeypatch):
    path = tmp_path / "ViT-B-32-mine.pt"
    asked = {}
    small = open_clip.CLIP(embed_dim=16, vision_cfg=dict(image_size=16, layers=1, width=32, head_width=16, patch_size=8),
                           text_cfg=dict(context_length=77, vocab_size=49408, width=32, heads=2, layers=1))
    monkeypatch.setattr(open_clip, "create_model", lambda model, pretrained: asked.update(model=model, file=pretrained) or small)
    with pytest.raises(loading.WeightsError, match="no weights file"):
        clip.load_clip(str(path))
    path.write_bytes(b"weights")
    assert words.style_from_words("red", clip=str(path)).told().startswith("words, by open_clip's ViT-B-32 from ViT-B-32-mine.pt")
    assert asked == {"model": "ViT-B-32", "file": str(path)}


@pytest.mark.parametrize("name, says", [("ViT-Q", "open_clip has no such model"), ("mine.pt", "must begin with that of a model"),
                                        ("ViT-B-32-gone.safetensors", "no weights file")])
def test_what_is_not_there_is_told_and_what_works_instead(name, says):
    with pytest.raises(loading.WeightsError, match=says) as caught:
        words.style_from_words("red", clip=name)
    assert "without clip=… our own encoder" in str(caught.value)


@pytest.mark.parametrize("kind", ["refused", "no such name", "silent"])
def test_without_network_one_line_comes_soon(monkeypatch, tmp_path, kind):
    """huggingface_hub alone would try for 46 s."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if kind == "silent":
            deaf.listen()                                          # and never accepts
        there = "http://nowhere.invalid" if kind == "no such name" else f"http://127.0.0.1:{deaf.getsockname()[1]}"
        monkeypatch.setattr(constants, "ENDPOINT", there)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr(clip, "_PATIENCE", 0.5)
        monkeypatch.setattr(open_clip, "create_model", lambda *_, **__: pytest.fail("a download was begun"))
        with pytest.raises(loading.WeightsError, match=f"{there} does not answer: .+; without clip=… our own encoder needs none") as caught:
            clip.load_clip("ViT-B-32")
        assert "\n" not in str(caught.value)


def test_any_answer_of_the_hub_will_do(monkeypatch):
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as hub:              # 501: it knows no HEAD
        monkeypatch.setattr(hub.RequestHandlerClass, "log_message", lambda *_: None)
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        answers = threading.Thread(target=hub.handle_request)
        answers.start()
        clip._knock()
        answers.join(10)


def test_where_the_hub_answers_or_weights_are_on_disk_open_clip_is_asked(monkeypatch, tmp_path):
    knocks, asked = [], []
    monkeypatch.setattr(clip, "_knock", lambda: knocks.append(1))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(open_clip, "create_model", lambda model, pretrained: asked.append((model, pretrained)) or pytest.fail("far enough"))
    repository, files = clip._on_hub("ViT-B-32", "laion2b_s34b_b79k")
    for seen in (1, 1):
        with pytest.raises(pytest.fail.Exception):
            clip.load_clip("ViT-B-32")
        assert asked.pop() == ("ViT-B-32", "laion2b_s34b_b79k") and len(knocks) == seen
        kept = tmp_path / f"models--{repository.replace('/', '--')}"
        (kept / "refs").mkdir(parents=True, exist_ok=True)
        (kept / "refs/main").write_text("abc")
        (kept / "snapshots/abc").mkdir(parents=True, exist_ok=True)
        (kept / "snapshots/abc" / files[0]).write_bytes(b"weights")


def test_a_model_without_weights_is_told():
    with pytest.raises(loading.WeightsError, match="no weights of convnext_tiny; ViT-B-32"):
        clip.load_clip("convnext_tiny")


def test_a_damaged_file_is_told_in_one_line(tmp_path):
    path = tmp_path / "RN50-broken.safetensors"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(loading.WeightsError, match="cannot be had") as caught:
        clip.load_clip(str(path))
    assert "\n" not in str(caught.value)
