"""Lesson 03: the Gram matrix against loops, known answers and its gradient in closed form."""
import pytest
import torch

from nst_lessons import gram_matrix


def _random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def _by_loops(act):
    """Σ over positions of the product of two channels, one number at a time."""
    batch, channels, height, width = act.shape
    gram = torch.zeros(batch, channels, channels, dtype=act.dtype)
    for b in range(batch):
        for i in range(channels):
            for j in range(channels):
                for y in range(height):
                    for x in range(width):
                        gram[b, i, j] += act[b, i, y, x] * act[b, j, y, x]
    return gram


@pytest.mark.parametrize("normalize, divisor", [("none", 1), ("positions", 3 * 5), ("all", 4 * 3 * 5)])
def test_equals_the_loop(normalize, divisor):
    act = _random(2, 4, 3, 5)
    torch.testing.assert_close(gram_matrix(act, normalize), _by_loops(act) / divisor)


def test_positions_is_the_default():
    act = _random(1, 4, 3, 5)
    assert torch.equal(gram_matrix(act), gram_matrix(act, "positions"))


def test_two_constant_channels_have_a_known_gram():
    act = torch.tensor([2.0, -3.0]).view(1, 2, 1, 1).expand(1, 2, 4, 7)
    assert torch.equal(gram_matrix(act), torch.tensor([[[4.0, -6.0], [-6.0, 9.0]]]))


def test_channels_that_never_meet_have_zero_off_the_diagonal():
    act = torch.zeros(1, 2, 4, 4)
    act[0, 0, :, :2], act[0, 1, :, 2:] = 1, 2
    assert torch.equal(gram_matrix(act, "none"), torch.tensor([[[8.0, 0.0], [0.0, 32.0]]]))


def test_is_symmetric_and_its_trace_is_the_energy():
    act = _random(3, 6, 4, 5)
    gram = gram_matrix(act, "none")
    torch.testing.assert_close(gram, gram.transpose(1, 2))
    torch.testing.assert_close(gram.diagonal(dim1=1, dim2=2).sum(1), act.pow(2).sum((1, 2, 3)))
    assert torch.linalg.eigvalsh(gram).min() > -1e-9


def test_is_blind_to_the_order_of_positions_but_not_of_channels():
    act = _random(1, 4, 6, 5)
    shuffled = act.flatten(2)[:, :, torch.randperm(30, generator=torch.Generator().manual_seed(1))].reshape(1, 4, 5, 6)
    torch.testing.assert_close(gram_matrix(shuffled), gram_matrix(act))
    assert not torch.allclose(gram_matrix(act.flip(1)), gram_matrix(act))


def test_a_tiled_picture_has_the_same_gram_per_position_only():
    act = _random(1, 4, 3, 5)
    tiled = act.tile(1, 1, 2, 3)
    torch.testing.assert_close(gram_matrix(tiled), gram_matrix(act))
    torch.testing.assert_close(gram_matrix(tiled, "none"), 6 * gram_matrix(act, "none"))


def test_the_memory_layout_does_not_matter_and_the_input_stays():
    act = _random(2, 4, 3, 5)
    before = act.clone()
    torch.testing.assert_close(gram_matrix(act.to(memory_format=torch.channels_last)), gram_matrix(act))
    torch.testing.assert_close(gram_matrix(act.transpose(2, 3)), gram_matrix(act))
    assert torch.equal(act, before)


def test_each_picture_of_a_batch_has_its_own():
    act = _random(3, 4, 3, 5)
    one_by_one = torch.cat([gram_matrix(act[i:i + 1]) for i in range(3)])
    torch.testing.assert_close(gram_matrix(act), one_by_one)


def test_the_gradient_is_the_closed_form():
    act, upstream = _random(1, 4, 3, 5).requires_grad_(), _random(1, 4, 4, seed=1)
    (gram_matrix(act) * upstream).sum().backward()
    expected = (upstream + upstream.transpose(1, 2)) @ act.detach().flatten(2) / 15       # d⟨W, FFᵀ/M⟩/dF = (W + Wᵀ) F / M
    torch.testing.assert_close(act.grad.flatten(2), expected)
    assert torch.autograd.gradcheck(gram_matrix, (_random(2, 3, 2, 3).requires_grad_(),))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_number_type_is_kept(dtype):
    assert gram_matrix(torch.ones(1, 2, 3, 3, dtype=dtype)).dtype == dtype


@pytest.mark.parametrize("shape", [(4, 3, 5), (4, 15), (1, 1, 4, 3, 5)])
def test_other_than_four_dimensions_are_refused(shape):
    with pytest.raises(ValueError, match=r"\[B, C, H, W\], got a tensor of shape " + str(list(shape)).replace("[", r"\[")):
        gram_matrix(torch.zeros(shape))


def test_an_unknown_normalization_is_refused_with_the_list():
    with pytest.raises(ValueError, match="'pixels' is unknown; choose one of 'none', 'positions', 'all'"):
        gram_matrix(torch.zeros(1, 2, 3, 3), normalize="pixels")
