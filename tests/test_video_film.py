"""The temporal term, the loop over frames, and flicker on two clips that are made here."""
import pytest
import torch
from torch.nn import functional as F

from nst_lessons import Features, Objective, Settings, load_image, style_error
from nst_lessons.images import save_image
from nst_lessons.losses import Weighted
from nst_lessons.scale import tiled
from nst_lessons.stylize import finish, paint
from nst_lessons.video import (Followed, Frame, Motion, TemporalTerm, VideoError, clear, crossing, film, finished, open_clip, pan, temporal,
                               trust, warp, warping_error, write)


def some(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def features():
    return Features("tiny")


def test_the_term_is_the_masked_mean_square():
    image, target, mask = some(2, 3, 6, 7), some(1, 3, 6, 7, seed=1), (some(1, 1, 6, 7, seed=2) > 0.4).float()
    expected = [sum(mask[0, 0, y, x].item() * (image[b, c, y, x] - target[0, c, y, x]).item()**2
                    for c in range(3) for y in range(6) for x in range(7)) / (3 * 6 * 7) for b in range(2)]
    term = TemporalTerm(target, mask)
    assert term.loss(term.measure({}, image)).tolist() == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="give both at one size"):
        TemporalTerm(target, mask[..., :3])


def test_its_gradient_against_finite_differences():
    image, term = some(1, 3, 4, 5).double().requires_grad_(), TemporalTerm(some(1, 3, 4, 5, seed=1).double(), some(1, 1, 4, 5, seed=2).double())
    assert torch.autograd.gradcheck(lambda x: term.loss(term.measure({}, x)), image)


def test_one_more_term_of_the_objective_tiled_or_not(features):
    photo, style = load_image("cat", size=96), load_image("starry", size=96)
    term = TemporalTerm(some(*photo.shape), some(1, 1, *photo.shape[2:], seed=1))
    losses = []
    for tile in (None, 48):
        objective, image = Objective(features, photo, style), some(*photo.shape, seed=2).requires_grad_()
        objective.extra = [Weighted(30.0, 1, term)]
        terms = (tiled(objective, tile) if tile else objective)(image)
        terms.total.backward()
        losses.append((terms.total.detach(), image.grad))
    plain = Objective(features, photo, style)(image.detach())
    expected = plain.total + 30 * term.loss(term.measure({}, image.detach())).sum()
    torch.testing.assert_close(losses[0][0], expected, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-3, atol=1e-5)
    assert terms.temporal.item() == pytest.approx(term.loss(term.measure({}, image.detach())).item(), rel=1e-4)


def test_temporal_warps_and_masks():
    motion, previous = Motion(2, 1), some(1, 3, 20, 24)
    backward, forward = motion.backward((20, 24)), motion.forward((20, 24))
    start, (weight, share, term) = temporal(previous, backward, forward, 7)
    assert (weight, share) == (7, 1)
    torch.testing.assert_close(start[..., 1:, 2:], previous[..., :-1, :-2], rtol=0, atol=1e-5)
    assert torch.equal(term.mask, trust(backward, forward)) and torch.equal(term.target, start)
    assert term.mask[..., 0, :].max() == 0 and term.mask[..., :2].max() == 0              # came in from outside


def test_painting_goes_on_from_a_picture_at_full_size(features):
    """One evaluation is the start itself; with a heavy term the picture stays there, without it leaves."""
    photo, style, onto = load_image("cat", size=96), load_image("starry", size=96), some(1, 3, 64, 96)
    assert photo.shape == onto.shape

    def painted(steps, weight):
        term = Weighted(weight, 1, TemporalTerm(onto, torch.ones(1, 1, 64, 96)))
        *_, last = paint(photo, style, Settings(steps=steps, levels=3), features, onto=onto, extra=(term,))
        return last
    first = painted(1, 0.0)
    assert first.levels == 1 and (first.image - onto).abs().max() < 1e-4
    far = {weight: (painted(12, weight).image - onto).square().mean().item() for weight in (0.0, 1e5)}
    assert far[1e5] < far[0.0] / 20


def test_warping_error_by_hand():
    previous, mask = torch.zeros(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)
    picture = torch.full((1, 3, 4, 4), 0.5)
    mask[..., :2, :] = 1
    assert warping_error(previous, picture, torch.zeros(1, 2, 4, 4), mask) == pytest.approx(0.25)
    assert warping_error(picture, picture, torch.zeros(1, 2, 4, 4), mask) == 0
    with pytest.raises(ValueError, match="nothing to compare"):
        warping_error(previous, picture, torch.zeros(1, 2, 4, 4), 0 * mask)


# --- the loop ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def clip(tmp_path):
    """Four frames, 16 × 20 px, as a folder."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        save_image(some(1, 3, 16, 20, seed=number), tmp_path / "in" / f"f{number}.png")
    return open_clip(tmp_path / "in")


def mixing(photo, before=None, painted=None):
    """A painter whose every picture depends on all before it."""
    return photo if painted is None else 0.5 * photo + 0.3 * painted + 0.1 * before


def test_every_frame_is_made_from_the_one_before(clip, tmp_path):
    pictures = [picture for _, picture in film(clip, mixing, tmp_path / "out")]
    before = painted = None
    for frame, picture in zip(clip, pictures, strict=True):
        wanted = (mixing(frame.image, before, painted).clamp(0, 1) * 255).round() / 255   # as a file holds it
        torch.testing.assert_close(picture, wanted, rtol=0, atol=1e-6)
        before, painted = frame.image, picture
    assert finished(tmp_path / "out") == 4


@pytest.mark.parametrize("killed", [1, 3])
def test_a_killed_run_goes_on_at_the_last_finished_frame(clip, tmp_path, killed):
    whole = [picture for _, picture in film(clip, mixing, tmp_path / "whole", {"a": 1})]
    painted = []

    def counted(*args):
        if len(painted) == killed:
            raise KeyboardInterrupt
        painted.append(1)
        return mixing(*args)
    with pytest.raises(KeyboardInterrupt):
        list(film(clip, counted, tmp_path / "out", {"a": 1}))
    assert finished(tmp_path / "out") == killed
    more = []
    again = [picture for _, picture in film(clip, lambda *args: more.append(1) or mixing(*args), tmp_path / "out", {"a": 1})]
    assert len(more) == 4 - killed and all(torch.equal(a, b) for a, b in zip(whole, again, strict=True))


def test_frames_of_other_settings_are_refused(clip, tmp_path):
    list(film(clip, mixing, tmp_path / "out", {"a": 1, "b": [1, 2]}))
    with pytest.raises(VideoError, match=r"other settings \(a\).*leave --resume out"):
        list(film(clip, mixing, tmp_path / "out", {"a": 2, "b": (1, 2)}))
    save_image(some(1, 3, 18, 18), tmp_path / "out" / "000001.png")
    with pytest.raises(VideoError, match="not a frame of this clip"):
        list(film(clip, mixing, tmp_path / "out", {"a": 1, "b": [1, 2]}))
    (tmp_path / "out" / "000001.png").write_bytes(b"half")
    with pytest.raises(VideoError, match="damaged; delete it"):
        list(film(clip, mixing, tmp_path / "out", {"a": 1, "b": [1, 2]}))


def test_only_our_own_folders_are_cleared(clip, tmp_path):
    list(film(clip, mixing, tmp_path / "out"))
    clear(tmp_path / "out")
    clear(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(VideoError, match="no folder of painted frames"):
        clear(tmp_path / "in")
    assert len(list((tmp_path / "in").iterdir())) == 4


def test_a_folder_gets_the_names_of_its_source_and_the_last_touch(clip, tmp_path):
    painted = [picture for _, picture in film(clip, mixing, tmp_path / "frames")]
    write(clip, tmp_path / "frames", tmp_path / "out", touch=lambda picture, photo: (picture + photo) / 2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"f{k}.png" for k in range(4)]
    for number, frame in enumerate(clip):
        seen = load_image(tmp_path / "out" / f"f{number}.png")
        assert (seen - (painted[number] + frame.image) / 2).abs().max() < 0.003


# --- flicker ----------------------------------------------------------------------------------------------------------

SHAPE, COUNT = (64, 80), 4


def panning():
    """(frames, backward flows, masks) of a camera that moves over the cat, with a sensor's noise."""
    step = (2.0, 1.0)
    backward = torch.tensor(step).view(1, 2, 1, 1).expand(1, 2, *SHAPE)
    return [f.image for f in pan(load_image("cat", size=128), SHAPE, COUNT, step, noise=0.02)], [backward] * 3, [trust(backward, -backward)] * 3


def passing():
    """The same of a disc of coffee that crosses a photograph that stands still."""
    y, x = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    disc = ((x - 13.5)**2 + (y - 13.5)**2 < 180).float()[None, None]
    back = F.interpolate(load_image("rocket", size=100), SHAPE, mode="area")
    thing = F.interpolate(load_image("coffee", size=64), (28, 28), mode="area")
    made = list(crossing(back, thing, disc, COUNT, (3, 1), (8, 10), noise=0.02))
    flows = [torch.cat([-3 * where, -where], 1) for _, where in made]
    return ([frame.image for frame, _ in made], flows[1:],
            [trust(now, -was) for was, now in zip(flows, flows[1:])])


@pytest.mark.parametrize("scene", [panning, passing])
def test_the_temporal_term_halves_flicker_and_costs_no_style(scene, features):
    frames, flows, masks = scene()
    style = load_image("starry", size=80)
    settings = Settings(steps=40, levels=2)

    def painted(photo, settings, **more):
        for progress in paint(photo, style, settings, features, **more):
            pass
        return finish(progress.image, photo, settings)

    alone = [painted(photo, settings) for photo in frames]
    follow, steady = Followed(lambda photo: painted(photo, settings),
                              lambda photo, start, term: painted(photo, settings, onto=start, extra=(term,))), []
    for number, photo in enumerate(frames):
        steady.append(follow(photo, *((frames[number - 1], steady[-1]) if number else ())))
    flicker = [sum(warping_error(a, b, flow, mask) for a, b, flow, mask in zip(each, each[1:], flows, masks)) for each in (alone, steady)]
    errors = [sum(style_error(picture, style, features) for picture in each) / COUNT for each in (alone, steady)]
    assert flicker[1] <= 0.5 * flicker[0], flicker
    assert errors[1] <= 1.1 * errors[0], errors
