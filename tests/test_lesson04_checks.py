"""Lesson 04's checks: right answers however they are written, and the wrong ones that people write, each told why."""
import pytest
import torch

from classroom import accepts, knows_a_stub, refuses
from nst_lessons import gram_matrix, style_loss
from nst_lessons.checks import Wrong, check_content_where, check_style_gradient, check_style_of_layers, check_tv_where

every = dict(dim=(1, 2, 3))
both = dict(dim=(1, 2))


def content(act, target, mask):
    return 0.5 * (mask * (act - target).pow(2)).sum(**every)


def content_by_loop(act, target, mask):
    """Picture by picture, plane by plane."""
    mask = mask.expand(len(act), 1, -1, -1)
    target = target.expand_as(act)
    return torch.stack([sum((m[0] * (f - p) ** 2).sum() / 2 for f, p in zip(one, other)) for one, other, m in zip(act, target, mask)])


def style(acts, style_acts, weights):
    return sum(weight * style_loss(acts[layer], gram_matrix(style_acts[layer])) for layer, weight in weights.items())


def style_written_out(acts, style_acts, weights):
    total = 0
    for layer in weights:
        F, S = acts[layer].flatten(2), style_acts[layer].flatten(2)
        N, M, K = F.shape[1], F.shape[2], S.shape[2]
        total = total + weights[layer] / (4 * N * N) * ((torch.bmm(F, F.mT) / M - torch.bmm(S, S.mT) / K) ** 2).sum((1, 2))
    return total


def tv(image, mask):
    right = mask[..., :, 1:] * mask[..., :, :-1] * image.diff(dim=-1).pow(2)
    down = mask[..., 1:, :] * mask[..., :-1, :] * image.diff(dim=-2).pow(2)
    return right.sum(**every) + down.sum(**every)


def tv_by_selection(image, mask):
    """With truth values, picture by picture."""
    kept = mask.expand(len(image), image.shape[1], -1, -1) > 0.5
    found = []
    for one, keep in zip(image, kept):
        right, down = one[:, :, 1:] - one[:, :, :-1], one[:, 1:] - one[:, :-1]
        found.append((right[keep[:, :, 1:] & keep[:, :, :-1]] ** 2).sum() + (down[keep[:, 1:] & keep[:, :-1]] ** 2).sum())
    return torch.stack(found)


def gradient(act, target_gram, table=gram_matrix):
    N, M = act.shape[1], act.shape[2] * act.shape[3]
    return ((table(act) - target_gram) @ act.flatten(2) / (N**2 * M)).reshape(act.shape)


def gradient_by_einsum(act, target_gram):
    return torch.einsum("bij,bjhw->bihw", gram_matrix(act) - target_gram, act) / (act.shape[1] ** 2 * act[0, 0].numel())


def gradient_transposed(act, target_gram):
    """Fᵀ (G − A), transposed, as in the paper."""
    columns = act.flatten(2).transpose(1, 2) @ (gram_matrix(act) - target_gram)
    return columns.transpose(1, 2).reshape(act.shape) / (act.shape[1] ** 2 * act[0, 0].numel())


def test_right_answers(capsys):
    accepts(check_content_where, capsys, content, content_by_loop, lambda a, t, m: (m.sqrt() * (a - t)).pow(2).flatten(1).sum(1) / 2)
    accepts(check_style_of_layers, capsys, style, style_written_out)
    accepts(check_tv_where, capsys, tv, tv_by_selection)
    accepts(check_style_gradient, capsys, gradient, gradient_by_einsum, gradient_transposed)


@pytest.mark.parametrize("check", [check_content_where, check_style_of_layers, check_tv_where, check_style_gradient])
def test_stubs(check):
    knows_a_stub(check)


def masks_in_place(act, target, mask):
    act *= mask.sqrt()
    return 0.5 * (act - mask.sqrt() * target).pow(2).sum(**every)


CONTENT = {
    "the ½ is missing": lambda a, t, m: (m * (a - t) ** 2).sum(**every),
    "the mask is squared too": lambda a, t, m: 0.5 * (m * (a - t)).pow(2).sum(**every),
    "squared, and the ½": lambda a, t, m: (m * (a - t)).pow(2).sum(**every),
    "a mean instead of a sum": lambda a, t, m: 0.5 * (m * (a - t) ** 2).mean(**every),
    "and without the ½": lambda a, t, m: (m * (a - t) ** 2).mean(**every),
    "the sum of the mask": lambda a, t, m: content(a, t, m) / m.sum(**every),
    "the mask is not used": lambda a, t, m: 0.5 * (a - t).pow(2).sum(**every),
    "exchanged": lambda a, t, m: content(a, t, 1 - m),
    "only F is masked": lambda a, t, m: 0.5 * (m * a - t).pow(2).sum(**every),
    "only P is masked": lambda a, t, m: 0.5 * (a - m * t).pow(2).sum(**every),
    "counts in full or not at all": lambda a, t, m: content(a, t, m.bool()),
    "absolute differences": lambda a, t, m: 0.5 * (m * (a - t).abs()).sum(**every),
    "the root": lambda a, t, m: (m * (a - t) ** 2).sum(**every).sqrt(),
    "are summed": lambda a, t, m: content(a, t, m).sum(),
    "are averaged": lambda a, t, m: content(a, t, m).mean(),
    "no gradient": lambda a, t, m: content(a.detach(), t, m),
    "is a float": lambda a, t, m: content(a, t, m)[0].item(),
    "changes the tensor": masks_in_place,
    "does every path": lambda a, t, m: None,
    "has shape [2, 3]": lambda a, t, m: 0.5 * (m * (a - t) ** 2).sum(dim=(2, 3)),
    "wrong sign": lambda a, t, m: -content(a, t, m),
    "each has its own": lambda a, t, m: content(a, t, m[:1]),
    "stops with": lambda a, t, m: 0.5 * (a - t)[m > 0].pow(2).sum(),
}


@pytest.mark.parametrize("says", CONTENT)
def test_wrong_content(says):
    refuses(check_content_where, CONTENT[says], says)


def layered(rule, power=1):
    """Σ w · rule(F Fᵀ of mine, F Fᵀ of theirs, N, M, M of theirs)."""
    def answer(acts, style_acts, weights):
        return sum(weight**power * rule(gram_matrix(acts[layer], "none"), gram_matrix(style_acts[layer], "none"), acts[layer].shape[1],
                                        acts[layer][0, 0].numel(), style_acts[layer][0, 0].numel())
                   for layer, weight in weights.items())
    return answer


def squares(matrix):
    return matrix.pow(2).sum(**both)


def right(G, A, N, M, K):
    return squares(G / M - A / K) / (4 * N**2)


def returns_early(acts, style_acts, weights):
    for layer, weight in weights.items():
        return weight * style_loss(acts[layer], gram_matrix(style_acts[layer]))


def keeps_the_last(acts, style_acts, weights):
    for layer, weight in weights.items():
        total = weight * style_loss(acts[layer], gram_matrix(style_acts[layer]))
    return total


def over_all_activations(acts, style_acts, weights):
    return sum(weights[layer] * style_loss(act, gram_matrix(style_acts[layer])) for layer, act in acts.items())


def weighs_what_has_no_weight(acts, style_acts, weights):
    return sum(weights.get(layer, 1) * style_loss(acts[layer], gram_matrix(act)) for layer, act in style_acts.items())


def trusts_the_order(acts, style_acts, weights):
    return sum(weight * style_loss(act, gram_matrix(style)) for act, style, weight in zip(acts.values(), style_acts.values(), weights.values()))


def empties_the_weights(acts, style_acts, weights):
    total = 0
    while weights:
        layer, weight = weights.popitem()
        total = total + weight * style_loss(acts[layer], gram_matrix(style_acts[layer]))
    return total


STYLE = {
    "weights are not used": layered(right, 0),
    "weights are squared": layered(right, 2),
    "the sum of the weights": lambda a, s, w: style(a, s, w) / sum(w.values()),
    "the mean over the layers": lambda a, s, w: style(a, s, w) / len(w),
    "inside the loop": returns_early,
    "only the last layer": keeps_the_last,
    "right at equal sizes only": layered(lambda G, A, N, M, K: squares(G - A) / (4 * N**2 * M**2)),
    "plain sums: divide each": layered(lambda G, A, N, M, K: squares(G - A) / (4 * N**2)),
    "the painting has its own M": layered(lambda G, A, N, M, K: squares(G / M - A / M) / (4 * N**2)),
    "M² once more": layered(lambda G, A, N, M, K: right(G, A, N, M, K) / M**2),
    "divided by C·H·W; only": layered(lambda G, A, N, M, K: right(G / N, A / N, N, M, K)),
    "and nothing stands in front?": layered(lambda G, A, N, M, K: squares(G / M / N - A / K / N)),
    "nn.MSELoss of Gram": layered(lambda G, A, N, M, K: (G / M / N - A / K / N).pow(2).mean(**both)),
    "N and M are exchanged": layered(lambda G, A, N, M, K: squares(G / M - A / K) / (4 * M**2)),
    "N is not squared": layered(lambda G, A, N, M, K: squares(G / M - A / K) / (4 * N)),
    "you divided by 2N": layered(lambda G, A, N, M, K: squares(G / M - A / K) / (2 * N)),
    "you divided by 2NM": layered(lambda G, A, N, M, K: squares(G - A) / (2 * N * M)),
    "the 4 is not there": layered(lambda G, A, N, M, K: squares(G / M - A / K) / N**2),
    "that is 1/(2N²)": layered(lambda G, A, N, M, K: squares(G / M - A / K) / (2 * N**2)),
    "sixteen": layered(lambda G, A, N, M, K: squares(G / M - A / K) / (4 * N)**2),
    "nothing is divided by 4N²": layered(lambda G, A, N, M, K: squares(G / M - A / K)),
    "the N² is not there": layered(lambda G, A, N, M, K: squares(G / M - A / K) / 4),
    "absolute": layered(lambda G, A, N, M, K: (G / M - A / K).abs().sum(**both) / (4 * N**2)),
    "are summed": lambda a, s, w: style(a, s, w).sum(),
    "are averaged": lambda a, s, w: style(a, s, w).mean(),
    "asks for the weight of relu3_1, which has no weight": over_all_activations,
    "stops with KeyError": lambda a, s, w: style(a, s, {"relu9_1": 1.0}),
    "a layer counts that has no weight": weighs_what_has_no_weight,
    "another layer's weight": trusts_the_order,
    "the painting's are plain sums": layered(lambda G, A, N, M, K: squares(G / M - A) / (4 * N**2)),
    "your picture's are plain sums": layered(lambda G, A, N, M, K: squares(G - A / K) / (4 * N**2)),
    "changes the dictionaries": empties_the_weights,
    "no gradient": lambda a, s, w: style({layer: act.detach() for layer, act in a.items()}, s, w),
}


@pytest.mark.parametrize("says", STYLE)
def test_wrong_style(says):
    refuses(check_style_of_layers, STYLE[says], says)


def rolled(image, mask):
    return sum((mask * mask.roll(1, dims=side) * (image - image.roll(1, dims=side)).pow(2)).sum(**every) for side in (2, 3))


def tv_of(rule, right=lambda one, other: one * other, power=lambda gap: gap.pow(2)):
    """TV with another rule for its parts: rule(across [B, …], down [B, …]), right(mask of one end, of the other), power(gap)."""
    def answer(image, mask):
        across = right(mask[..., :, :-1], mask[..., :, 1:]) * power(image.diff(dim=-1))
        down = right(mask[..., :-1, :], mask[..., 1:, :]) * power(image.diff(dim=-2))
        return rule(across, down)
    return answer


def summed(across, down):
    return across.sum(**every) + down.sum(**every)


def mean_of_pairs(image, mask):
    mask = mask.expand_as(image)
    return tv(image, mask) / ((mask[..., 1:] * mask[..., :-1]).sum(**every) + (mask[..., 1:, :] * mask[..., :-1, :]).sum(**every))


TV = {
    "only neighbors to the right": tv_of(lambda across, down: across.sum(**every)),
    "only neighbors below": tv_of(lambda across, down: down.sum(**every)),
    "around the border": rolled,
    "the mask's border became an edge": lambda image, mask: tv(image * mask, torch.ones_like(mask)),
    "its right or lower pixel": tv_of(summed, lambda one, other: other),
    "its left or upper pixel": tv_of(summed, lambda one, other: one),
    "as one of the two is kept": tv_of(summed, torch.maximum),
    "counts half here": tv_of(summed, lambda one, other: (one + other) / 2),
    "inside and outside are exchanged": lambda image, mask: tv(image, 1 - mask),
    "the last row and the last column": tv_of(lambda across, down: across[..., :-1, :].sum(**every) + down[..., :-1].sum(**every)),
    "the mask is not used": tv_of(summed, lambda one, other: 1),
    "absolute differences": tv_of(summed, power=torch.abs),
    "you divided by C·H·W": lambda image, mask: tv(image, mask) / image[0].numel(),
    "the number of pairs": mean_of_pairs,
    "there is no ½": lambda image, mask: tv(image, mask) / 2,
    "not from both its ends": lambda image, mask: tv(image, mask) * 2,
    "the root": lambda image, mask: tv(image, mask).sqrt(),
    "are summed": lambda image, mask: tv(image, mask).sum(),
    "are averaged": lambda image, mask: tv(image, mask).mean(),
    "no gradient": lambda image, mask: tv(image, mask).detach(),
    "stops with": lambda image, mask: ((image[..., 1:, 1:] - image[..., :-1, :]).pow(2)).sum(**every),
    "has shape [2, 3]": lambda image, mask: image.diff(dim=-1).sum(dim=(2, 3)),
}


@pytest.mark.parametrize("says", TV)
def test_wrong_tv(says):
    refuses(check_tv_where, TV[says], says)


def scaled(factor):
    """The gradient times factor(N, M)."""
    return lambda act, target: factor(act.shape[1], act[0, 0].numel()) * gradient(act, target)


def not_transposed(act, target):
    columns = act.flatten(2).transpose(1, 2) @ (gram_matrix(act) - target)
    return columns.reshape(act.shape) / (act.shape[1] ** 2 * act[0, 0].numel())


def by_autograd(act, target):
    act = act.clone().requires_grad_()
    return torch.autograd.grad(style_loss(act, target).sum(), act)[0]


def by_backward(act, target):
    act = act.clone().requires_grad_()
    style_loss(act, target).sum().backward()
    return act.grad


def by_torch_func(act, target_gram):
    return torch.func.grad(lambda act: style_loss(act, target_gram).sum())(act)


def by_differences(act, target_gram, step=1e-3):
    found = torch.zeros_like(act)
    for number in range(act[0].numel()):
        nudge = torch.zeros_like(act).flatten(1)
        nudge[:, number] = step
        nudge = nudge.reshape(act.shape)
        found.flatten(1)[:, number] = (style_loss(act + nudge, target_gram) - style_loss(act - nudge, target_gram)) / (2 * step)
    return found


GRADIENT = {
    "F stands twice": scaled(lambda N, M: 0.5),
    "twice too much": scaled(lambda N, M: 2),
    "four times too much": scaled(lambda N, M: 4),
    "a quarter of it": scaled(lambda N, M: 0.25),
    "wrong sign": scaled(lambda N, M: -1),
    "a 1/M is missing": scaled(lambda N, M: M),
    "a 1/M too many": scaled(lambda N, M: 1 / M),
    "1/N is there once": scaled(lambda N, M: N),
    "the 1/N² is missing": scaled(lambda N, M: N**2),
    "N and M are exchanged": scaled(lambda N, M: N / M),
    "divide G too": lambda act, target: gradient(act, target, lambda act: gram_matrix(act, "none")),
    "G is the plain sum": lambda act, target: gradient(act, target, lambda act: gram_matrix(act, "none")) / act[0, 0].numel(),
    "G is divided by C·H·W": lambda act, target: gradient(act, target, lambda act: gram_matrix(act, "all")),
    "positions first": not_transposed,
    "positions × channels": lambda act, target: gradient_transposed(act, target).flatten(2).transpose(1, 2),
    "channels × positions": lambda act, target: gradient(act, target).flatten(2),
    "gradient for the Gram matrix": lambda act, target: (gram_matrix(act) - target) / (2 * act.shape[1] ** 2),
    "mixed": lambda act, target: gradient(act, target).mean(0, keepdim=True).expand_as(act),
    "autograd's gradient": by_autograd,
    "is autograd's gradient": by_torch_func,
    "as finite differences are": by_differences,
    "that is autograd": by_backward,
    "does every path": lambda act, target: None,
    "stops with RuntimeError": lambda act, target: act.flatten(2) @ (gram_matrix(act) - target),
}


@pytest.mark.parametrize("says", GRADIENT)
def test_wrong_gradient(says):
    refuses(check_style_gradient, GRADIENT[says], says)


def test_autograd_works_again_after_the_check():
    with pytest.raises(Wrong):
        check_style_gradient(by_autograd)
    assert by_autograd(torch.rand(1, 2, 3, 3), torch.rand(1, 2, 2)).shape == (1, 2, 3, 3)
