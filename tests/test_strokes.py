"""The bristle strokes of the museum: known paths, known areas, and the same composition at every size."""
import numpy as np
import pytest
from PIL import Image

from nst_lessons.paintings import paint
from nst_lessons.paintings.strokes import Canvas, colors, follow, pick, scatter, some


def test_pick_reads_the_cell_under_a_place_and_the_border_beyond_it():
    field = np.arange(16).reshape(4, 4)                           # a cell is 128 points wide
    places = np.array([[0, 0], [127.9, 0], [128, 0], [0, 128], [-50, 600]])
    assert pick(field, places).tolist() == [0, 0, 1, 4, 12]


def test_scatter_puts_one_place_in_every_cell():
    places = scatter(np.random.default_rng(0), (10, 5), (20, 40, 120, 90))
    cells = np.floor((places - (20, 40)) / (10, 5)).astype(int)
    assert sorted(map(tuple, cells.tolist())) == [(x, y) for x in range(10) for y in range(10)]


def test_a_path_along_one_angle_is_a_straight_line_of_the_given_length():
    path = follow(np.array([[10.0, 20.0]]), np.pi / 2, 40, steps=5)
    assert path[0] == pytest.approx(np.column_stack([np.full(5, 10.0), 20 + np.arange(5) * 10.0]))


def test_a_path_turns_with_its_map():
    angle = np.zeros((4, 4))
    angle[:, 2:] = np.pi / 2                                      # from x = 256 on the way leads down
    path = follow(np.array([[206.0, 0.0]]), angle, 100, steps=11)[0]
    assert path[-1] == pytest.approx([256, 50])


@pytest.mark.parametrize("size", [512, 1024])
def test_a_dab_covers_its_disk_and_a_stroke_its_rectangle(size):
    canvas = Canvas(size, size, "#000000")
    canvas.dabs(np.array([[100.0, 100.0]]), 40, colors("#ff0000"))
    paths = np.array([[[200.0, 300.0], [300.0, 300.0], [400.0, 300.0]]])
    canvas.strokes(paths, 30, colors("#0000ff"), np.random.default_rng(0), bristles=0, taper=1)
    picture = canvas.finish(depth=0)
    points = (size / 512) ** 2
    assert picture.shape == (size, size, 3)
    assert picture[..., 0].sum() / points == pytest.approx(np.pi * 40 ** 2, rel=0.02)
    assert picture[..., 2].sum() / points == pytest.approx(200 * 30, rel=0.03)
    assert picture[..., 1].max() == 0


def test_light_falls_on_one_side_of_a_ridge_and_leaves_the_flat_alone():
    canvas = Canvas(128, 128, "#808080")
    canvas.polygon([(128, 128), (384, 128), (384, 384), (128, 384)], "#808080", thickness=0.9)
    flat, lit = canvas.finish(depth=0), canvas.finish(depth=0.6)
    edges = np.array([lit[30:34, 60].mean(), lit[94:98, 60].mean()]) - flat[0, 0, 0]
    assert np.ptp(flat) == 0
    assert edges.min() < -0.01 and edges.max() > 0.01
    assert lit[64, 64] == pytest.approx(flat[64, 64]) and lit[10, 64] == pytest.approx(flat[10, 64])


def test_some_draws_only_the_given_colors():
    drawn = some(np.random.default_rng(0), 50, "#102030", "#ffffff")
    assert set(map(tuple, drawn.tolist())) == set(map(tuple, colors("#102030", "#ffffff").tolist()))


@pytest.mark.parametrize("name", ["pointillism", "wheat_field", "sunset_harbor", "autumn_forest", "cubist"])
def test_a_larger_picture_is_the_same_picture(name):
    small, large = [Image.fromarray((paint(name, size) * 255).astype(np.uint8)) for size in (512, 768)]
    blurred = [np.asarray(picture.resize((48, 48), Image.BOX), dtype=float) for picture in (small, large)]
    other = np.asarray(Image.fromarray((paint(name, 512, seed=1) * 255).astype(np.uint8)).resize((48, 48), Image.BOX), dtype=float)
    apart = np.abs(blurred[0] - blurred[1]).mean()
    assert apart < 4 < np.abs(blurred[0] - other).mean()
