"""Lesson 06's checks: the mended program passes, each of the ten faults is named, alone and in company; and what else people write."""
import ast
import re
import types
from pathlib import Path

import jupytext
import pytest
import torch
from torch import nn, optim
from torch.nn import functional as F
from torchvision import models
from torchvision.transforms import v2
from torchvision.utils import save_image

import nst_lessons as nst
from classroom import accepts, knows_a_stub, refuses
from nst_lessons import images
from nst_lessons.checks import (Wrong, check_in_and_out, check_listen, check_losses, check_paint, check_program, check_total,
                                vgg_features)
from nst_lessons.checks.verdict import other_numbers
from nst_lessons.checks.vgg import MEAN, STD, stages

SOURCE = Path(__file__).resolve().parents[1] / "notebooks/source/06_debug_the_program.py"
MARKED = re.compile(r"^[ \t]*### BEGIN (SOLUTION|FAULTY) (\d+)\n(.*?)^[ \t]*### END \1[ \t]*\n", re.MULTILINE | re.DOTALL)
EVERY = frozenset(range(1, 11))

# fault → (its exercise, the symptom that must be told)
SYMPTOMS = {
    1: ("6.3", "(and 4 more) has no negative value"), 2: ("6.3", "its conv4_1 is"), 3: ("6.5", "held between 0.0 and 1.0"),
    4: ("6.5", "evaluates the loss 800 times"), 5: ("6.2", "is 4 times smaller"), 6: ("6.1", "the network gets values from -461 to 482"),
    7: ("6.2", "four times the total variation"), 8: ("6.1", "comes back 144×48: 9 times the pixels"), 9: ("6.1", "the colors are harsh"),
    10: ("6.4", "each evaluation sends 3 pictures through the network"),
}


def program(planted=()):
    """The notebook's program as a namespace, with the faults `planted`, and all others mended."""
    cells = [cell for cell in jupytext.read(SOURCE, fmt="py:percent").cells if cell.cell_type == "code"]
    space = {}
    for cell in cells[:4] + [cell for cell in cells if "exercise" in cell.metadata]:
        exec(MARKED.sub(lambda m: m[3] if (int(m[2]) in planted) == (m[1] == "FAULTY") else "", cell.source + "\n"), space)
    return space


def examine(space, number):
    """Calls the check of one exercise as the notebook does."""
    {"6.1": lambda: check_in_and_out(space["load"], space["save"]),
     "6.2": lambda: check_losses(space["gram"], space["style_loss"], space["tv_loss"]),
     "6.3": lambda: check_listen(space["listen"]),
     "6.4": lambda: check_total(space["make_total"], space["network"]),
     "6.5": lambda: check_paint(space["paint"])}[number]()


def told(check, *answers):
    """What a check complains of."""
    with pytest.raises(Wrong) as caught:
        check(*answers)
    return str(caught.value)


@pytest.fixture(scope="module")
def mended():
    return program()


# --- the program of the notebook -------------------------------------------------------------------------------------

def test_every_fault_is_in_the_source_and_has_its_cure():
    marks = {(word, int(number)) for word, number, _ in MARKED.findall(SOURCE.read_text())}
    assert {number for _, number in marks} == EVERY == SYMPTOMS.keys()
    assert all(("FAULTY", number) in marks for number in EVERY)
    assert len(re.findall("### BEGIN", SOURCE.read_text())) == len(MARKED.findall(SOURCE.read_text())), "a block without its fault's number"


def test_the_program_at_the_top_is_the_one_to_be_mended():
    cells = [cell for cell in jupytext.read(SOURCE, fmt="py:percent").cells if cell.cell_type == "code"]
    top = {one for cell in cells[1:4] for one in _statements(cell.source)}
    for cell in cells:
        if "exercise" in cell.metadata:
            assert _statements(MARKED.sub(lambda m: m[3] if m[1] == "FAULTY" else "", cell.source + "\n")) <= top


def _statements(code):
    """The statements of a cell as syntax trees, without comments and docstrings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return {ast.dump(node) for node in tree.body}


@pytest.mark.parametrize("number", ["6.1", "6.2", "6.3", "6.4", "6.5"])
def test_the_solution_is_accepted(mended, number, capsys):
    examine(mended, number)
    assert capsys.readouterr().out.startswith(f"✓ Exercise {number}: ")


def test_other_numbers_refuse_no_right_sum(mended, capsys):
    with other_numbers(30):                      # there, 0.3 of the painting is as far from gray as the painting itself
        check_total(mended["make_total"], mended["network"])
    assert "✓" in capsys.readouterr().out


def test_the_mended_program_paints(mended, capsys):
    check_program(mended["style_transfer"])
    assert capsys.readouterr().out == "✓ The program has none of the ten faults, and it paints.\n"


@pytest.mark.parametrize("fault", sorted(EVERY))
def test_each_fault_alone_is_named_and_nothing_else(fault):
    space, (number, symptom) = program({fault}), SYMPTOMS[fault]
    message = told(examine, space, number)
    assert symptom in message and message.startswith(f"Exercise {number}: ") and "\n" not in message and " · also: " not in message
    for other in {"6.1", "6.2", "6.3", "6.4", "6.5"} - {number}:
        examine(space, other)
    whole = told(check_program, space["style_transfer"])
    assert whole.startswith("1 of ten faults is left:\n") and f"  {number}  " in whole and symptom in whole


@pytest.mark.parametrize("planted", [EVERY, {1, 2}, {3, 4}, {5, 7}, {6, 8}, {6, 9}, {8, 9}, {1, 4, 10}, {2, 3, 5, 7, 10}, {1, 6, 7, 8, 9}],
                         ids=lambda planted: "-".join(map(str, sorted(planted))))
def test_several_faults_at_once_are_all_named(planted):
    space = program(planted)
    whole = told(check_program, space["style_transfer"])
    assert whole.startswith(f"{len(planted)} of ten faults are left:")
    for fault in planted:
        number, symptom = SYMPTOMS[fault]
        assert symptom in whole and symptom in told(examine, space, number)


def test_the_faulty_program_runs_without_an_error_and_paints_badly(tmp_path):
    photo, painting = nst.load_image("coffee", size=96), nst.load_image("waves", size=96)
    nst.save_image(photo, tmp_path / "photo.png")
    nst.save_image(painting, tmp_path / "painting.png")
    errors, features = [], nst.Features("tiny")
    for planted, max_iter in ((EVERY, 1), ((), 20)):
        space = program(planted)
        space["SIZE"] = 96
        space["style_transfer"](tmp_path / "photo.png", tmp_path / "painting.png", tmp_path / "out.png", max_iter)
        errors.append(nst.style_error(nst.load_image(tmp_path / "out.png", size=96), painting, features))
    assert errors[0] > 3 * errors[1]


def test_a_program_that_lacks_a_part_or_does_not_paint_is_told(mended):
    def with_(**parts):
        """The mended program with other parts, and its own style_transfer among them."""
        space = mended | parts
        exec("def style_transfer(content_path, style_path, output_path, max_iter=1000):\n"
             "    content, style = load(content_path, SIZE), load(style_path, SIZE)\n"
             "    save(put(paint(content, make_total(content, style), max_iter), content), output_path)", space)
        return space["style_transfer"]
    assert "hardly anything of the painting's style" in told(check_program, with_(put=lambda painted, content: content))
    assert "another shape" in told(check_program, with_(put=lambda painted, content: painted[..., :64]))
    assert "leaves no file" in told(check_program, _in(mended, "def style_transfer(content_path, style_path, output_path, max_iter=1000): 0"))
    assert "is to be called" in told(check_program, _in(mended, "def style_transfer(content, style, out, max_iter=300): 0"))
    space = {"load": mended["load"]}
    assert "has no gram, listen, make_total" in told(check_program, _in(space, "def style_transfer(): 0"))


def _in(space, code):
    space = dict(space)
    exec(code, space)
    return space["style_transfer"]


# --- the network -----------------------------------------------------------------------------------------------------

def test_the_network_is_what_programs_on_the_web_expect():
    ours, theirs = vgg_features(), models.vgg19(weights=None).features[:30]
    assert [type(layer) for layer in ours] == [type(layer) for layer in theirs]
    assert all(layer.inplace for layer in ours if isinstance(layer, nn.ReLU))
    assert all(weight.requires_grad for weight in ours.parameters())
    assert [ours[i].kernel_size for i in (0, 4)] == [theirs[0].kernel_size, 2] and not ours.training


def test_the_network_sees_what_tiny_sees():
    picture = nst.load_image("cat", size=128)
    seen = stages((picture - MEAN) / STD)
    for name, _, before, after in nst.Features("tiny", device="cpu").backbone.walk(picture):
        rim = 3 if before.shape[2] > 12 else 1                               # there, zeros mean another color
        away = (seen[f"conv{name}"] - before)[..., rim:-rim, rim:-rim]
        assert away.abs().max() < 0.03 * before.abs().max()
        assert torch.equal(seen[f"relu{name}"], seen[f"conv{name}"].relu())
    assert list(seen)[-2:] == ["conv5_1", "relu5_1"] and "pool4" in seen and len(seen) == 30


# --- other right answers ---------------------------------------------------------------------------------------------

def load_by_hand(path, size):
    return (images.load_image(path, size=size) - MEAN) / STD


def save_by_hand(picture, path):
    nst.save_image(images.denormalize(picture), path)


def test_files_may_be_read_and_written_otherwise(mended, capsys):
    def load(path, size):
        steps = v2.Compose([v2.Resize(None, max_size=size), v2.ToImage(), v2.ToDtype(torch.float32, scale=True),
                            v2.Normalize(MEAN.flatten().tolist(), STD.flatten().tolist())])
        return steps(images.to_pil(images.load_image(path)))[None].contiguous()
    for one in (load, load_by_hand):
        check_in_and_out(one, save_by_hand)
    check_in_and_out(mended["load"], lambda picture, path: save_image(picture * STD + MEAN, path))       # which clamps too
    assert capsys.readouterr().out.count("✓") == 3


def test_losses_may_be_written_otherwise(mended, capsys):
    def plain(act):
        return torch.einsum("bihw,bjhw->ij", act, act)
    relative = mended["style_loss"].__code__
    for gram in (lambda act: plain(act) / act[0, 0].numel(), lambda act: plain(act) / act.numel(), nst.gram_matrix):
        check_losses(gram, lambda act, target, gram=gram: ((gram(act) - target).norm() / target.norm())**2,
                     lambda p: F.mse_loss(p[..., 1:], p[..., :-1]) + F.mse_loss(p[..., 1:, :], p[..., :-1, :]))
    assert relative and capsys.readouterr().out.count("✓") == 3


def test_layers_may_be_heard_otherwise(capsys):
    names = {"conv1_1": 0, "conv2_1": 5, "conv3_1": 10, "conv4_1": 19, "conv4_2": 21}
    network = vgg_features()
    for layer in network:
        layer.inplace = False

    def by_slices(picture):
        return {name: network[:number + 1](picture) for name, number in names.items()}

    def by_hooks(picture):
        found, hooks = {}, []
        for name, number in names.items():
            hooks.append(network[number].register_forward_hook(lambda _, __, out, name=name: found.__setitem__(name, out)))
        network(picture)
        for hook in hooks:
            hook.remove()
        return found | {"conv5_1": None}
    accepts(check_listen, capsys, by_slices, by_hooks)


def test_targets_may_be_kept_otherwise(mended, capsys):
    network, listen, gram = (mended[name] for name in ("network", "listen", "gram"))

    def make_total(content, style):                                          # "detach" instead of "no_grad"
        for weight in network.parameters():
            weight.requires_grad = False
        wanted, grams = listen(content)["conv4_2"].detach(), {name: gram(act).detach() for name, act in listen(style).items()}
        return lambda picture: _sum(mended, listen(picture), wanted, grams, picture)
    lazy = mended | {"kept": []}                                             # made at the first evaluation, and kept
    exec("def make_total(content, style):\n"
         "    network.requires_grad_(False)\n"
         "    kept = []\n"
         "    def total(picture):\n"
         "        if not kept:\n"
         "            with torch.no_grad():\n"
         "                kept.extend([listen(content)['conv4_2'], {name: gram(act) for name, act in listen(style).items()}])\n"
         "        return _sum(globals(), listen(picture), *kept, picture)\n"
         "    return total", lazy | {"_sum": _sum}, lazy)
    for one in (at_home(make_total, mended), at_home(lazy["make_total"], mended)):
        check_total(one, network)
        assert "✓" in capsys.readouterr().out


def at_home(function, space):
    """`function` as if it were written in the program of this namespace: it sees the program's parts beside the names of this file."""
    if isinstance(function, types.FunctionType):
        return types.FunctionType(function.__code__, globals() | space, function.__name__, function.__defaults__, function.__closure__)
    return function


def _sum(mended, seen, wanted, grams, picture, leave=""):
    """The program's sum; `leave`: one of its three summands that is left out."""
    style = sum(weight * mended["style_loss"](seen[name], grams[name]) for name, weight in mended["STYLE"].items())
    pieces = {"content": mended["ALPHA"] * mended["content_loss"](seen["conv4_2"], wanted),
              "smoothness": mended["GAMMA"] * mended["tv_loss"](picture), "style": mended["BETA"] * style}
    return sum(piece for name, piece in pieces.items() if name != leave)


def lbfgs(picture, total, budget, **options):
    """One L-BFGS on a copy, in a loop that counts evaluations."""
    picture = picture.clone().requires_grad_()
    optimizer, count = optim.LBFGS([picture], **options), [0]

    def closure():
        optimizer.zero_grad()
        loss = total(picture)
        loss.backward()
        count[0] += 1
        return loss
    while count[0] < budget:
        optimizer.step(closure)
    return picture.detach()


def adam(picture, total, max_iter):
    picture = picture.clone().requires_grad_()
    optimizer = optim.Adam([picture], lr=0.1)
    for _ in range(max_iter):
        optimizer.zero_grad()
        total(picture).backward()
        optimizer.step()
    return picture.detach()


def test_loops_may_be_written_otherwise(capsys):
    accepts(check_paint, capsys, lbfgs, adam, lambda *which: lbfgs(*which, line_search_fn="strong_wolfe"),
            lambda *which: lbfgs(*which, max_iter=1),
            lambda picture, total, max_iter: lbfgs(picture, total, max_iter, max_iter=max_iter, history_size=20) + 0)


@pytest.mark.parametrize("check", [check_in_and_out, check_losses, check_listen, check_total, check_paint])
def test_stubs(check):
    def stub(*_, **__):
        raise NotImplementedError("Exercise")
    more = {check_in_and_out: [stub], check_losses: [stub, stub], check_total: [vgg_features()]}.get(check, [])
    knows_a_stub(lambda one: check(one, *more))


# --- other wrong answers ---------------------------------------------------------------------------------------------

def other_load(change):
    """The right load, and then `change`(picture [1, 3, H, W] in [0, 1], its file's pixels) instead of the normalization."""
    return lambda path, size: change(images.load_image(path, size=size))


def center(picture, size):
    """The middle, as CenterCrop leaves it after Resize(size)."""
    side = min(picture.shape[2:])
    top, left = ((length - side) // 2 for length in picture.shape[2:])
    return images.resize(picture[..., top:top + side, left:left + side], (size, size))


LOADS = {
    "values from 18 to 212": other_load(lambda x: x * 255),
    "values from -461": other_load(lambda x: (x * 255 - 255 * MEAN) / STD),
    "values from": other_load(lambda x: x.flip(1) * 255 - torch.tensor([103.94, 116.78, 123.68]).view(1, 3, 1, 1)),
    "between 0 and 1, none negative": other_load(lambda x: x),
    "red and blue are exchanged": other_load(lambda x: (x.flip(1) - MEAN) / STD),
    "too near to zero": other_load(lambda x: x - MEAN),
    "from -1 to 1": other_load(lambda x: 2 * x - 1),
    "other colors than the file has": other_load(lambda x: (x - STD) / MEAN),
    "lies transposed in memory": other_load(lambda x: ((x - MEAN) / STD).permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)),
    "it returned [3, 16, 48]": other_load(lambda x: ((x - MEAN) / STD)[0]),
    "it returned a NoneType": lambda path, size: None,
    "squeezed": lambda path, size: images.normalize(images.resize(images.load_image(path), (size, size))),
    "its ends are cut off": lambda path, size: images.normalize(center(images.load_image(path), size)),
    "what is smaller stays small": lambda path, size: load_by_hand(path, min(size, max(images.load_image(path).shape[2:]))),
    "values from -540": other_load(lambda x: (x - 255 * MEAN) / STD),
    "were cut into three planes": other_load(lambda x: (x.permute(0, 2, 3, 1).reshape(x.shape) - MEAN) / STD),
    "one dark sheet": other_load(lambda x: (x / 255 - MEAN) / STD),
    "the network sees one dark sheet": other_load(lambda x: (x - 255 * MEAN) / (255 * STD)),
    "sees other colors": other_load(lambda x: x / STD - MEAN),
    "as it was": lambda path, size: images.normalize(images.load_image(path)),
    "what lies down stands up": lambda path, size: load_by_hand(path, size).transpose(2, 3).contiguous(),
    "is wanted": lambda path, size: load_by_hand(path, size + 4),
    "stops on a picture of 180×60 px with": lambda path, size: load_by_hand(path + ".jpg", size),
}


@pytest.mark.parametrize("says", LOADS)
def test_wrong_loads(says):
    refuses(check_in_and_out, LOADS[says], says, save_by_hand)


def wraps_around(picture, path):
    nst.save_image(((picture * STD + MEAN) * 255).to(torch.int32).to(torch.uint8) / 255, path)


def in_place(picture, path):
    picture.mul_(STD).add_(MEAN).clamp_(0, 1)
    nst.save_image(picture, path)


SAVES = {
    "the colors are harsh: whatever was darker": nst.save_image,
    "false color": wraps_around,
    "red and blue": lambda picture, path: nst.save_image(images.denormalize(picture).flip(1), path),
    "red and blue are": lambda picture, path: save_by_hand(picture.flip(1), path),
    "hangs on the two extreme pixels": lambda picture, path: save_image(picture, path, normalize=True),
    "too dark": lambda picture, path: nst.save_image((picture + MEAN) * STD, path),
    "too much contrast": lambda picture, path: nst.save_image(picture + MEAN, path),
    "harsh: too much contrast": lambda picture, path: nst.save_image((picture - MEAN) / STD, path),
    "nothing dark comes back": lambda picture, path: nst.save_image(picture.clamp(0, 1) * STD + MEAN, path),
    "nearly all comes back white": lambda picture, path: nst.save_image(images.denormalize(picture) * 255, path),
    "mean and deviation have changed places": lambda picture, path: nst.save_image(picture * MEAN + STD, path),
    "changes the picture that it is given": in_place,
    "leaves no file": lambda picture, path: None,
    "becomes a file of 24×30 px": lambda picture, path: save_by_hand(picture.transpose(2, 3), path),
}


@pytest.mark.parametrize("says", SAVES)
def test_wrong_saves(says):
    refuses(lambda_check(check_in_and_out, load_by_hand), SAVES[says], says)


def lambda_check(check, *first):
    """`check` with its first answers given, for `refuses`."""
    def called(answer, *more):
        check(*first, answer, *more)
    called.exercise = check.exercise
    return called


def table(act):
    return torch.einsum("bihw,bjhw->ij", act, act)


def per_place(act):
    return table(act) / act[0, 0].numel()


def relative(gram):
    return lambda act, target: (gram(act) - target).pow(2).sum() / target.pow(2).sum()


def smooth(picture):
    return nst.tv_loss(picture).sum() / picture.numel()


STYLES = {
    "is 4 times smaller": (lambda act: table(act) / act.numel(), lambda gram: lambda act, target: F.mse_loss(gram(act), target)),
    "deep layers are hardly heard": (per_place, lambda gram: lambda act, target: F.mse_loss(gram(act), target) / target.pow(2).sum()),
    "size alone changes the loss": (table, relative),
    "size alone": (table, lambda gram: lambda act, target: F.mse_loss(gram(act), target)),
    "of five layers one is heard": (per_place, lambda gram: lambda act, target: F.mse_loss(gram(act), target)),
    "of five layers": (per_place, lambda gram: lambda act, target: (gram(act) - target).pow(2).sum() / 4 / len(target)**2),
    "ten thousand times": (per_place, lambda gram: lambda act, target: (gram(act) - target).pow(2).sum()),
    "that moves while one paints": (per_place, lambda gram: lambda act, target: (gram(act) - target).pow(2).sum() / gram(act).pow(2).sum()),
    "not its square": (per_place, lambda gram: lambda act, target: (gram(act) - target).norm() / target.norm()),
    "a sum over a mean": (per_place, lambda gram: lambda act, target: (gram(act) - target).pow(2).sum() / target.pow(2).mean()),
    "a picture twice as wide": (lambda act: table(act) / act.shape[2], relative),
    "twice as wide, of the same": (lambda act: table(act) / act.shape[3], relative),
    "these are absolute": (per_place, lambda gram: lambda act, target: (gram(act) - target).abs().sum() / target.abs().sum()),
    "measured against its own": (per_place, lambda gram: lambda act, target: ((gram(act) - target) / target).pow(2).sum()),
    "single number": (per_place, lambda gram: lambda act, target: (gram(act) - target).pow(2) / target.pow(2).sum()),
    "no gradient passes": (per_place, lambda gram: lambda act, target: relative(gram)(act, target).detach()),
    "your function stops with": (per_place, lambda gram: lambda act, target: relative(gram)(act, target.nothing)),
}


@pytest.mark.parametrize("says", STYLES)
def test_wrong_style_losses(says):
    gram, make = STYLES[says]
    refuses(check_losses, gram, says, make(gram), smooth)


def right_and_down(picture):
    return picture[..., 1:] - picture[..., :-1], picture[..., 1:, :] - picture[..., :-1, :]


VARIATIONS = {
    "four times the total variation": lambda p: nst.tv_loss(p).sum(),
    "four times": lambda p: nst.tv_loss(p).sum() / 3,
    "in one direction": lambda p: nst.tv_loss(p).sum() / p.shape[3],
    "only neighbors above each other": lambda p: right_and_down(p)[1].pow(2).mean(),
    "only neighbors beside each other": lambda p: right_and_down(p)[0].pow(2).mean(),
    "absolute differences": lambda p: sum(one.abs().mean() for one in right_and_down(p)),
    "half of it": lambda p: smooth(p) / 2,
    "that is the root": lambda p: smooth(p).sqrt(),
    "three times too large": lambda p: nst.tv_loss(p).sum() / p[0, 0].numel(),
    "single number": lambda p: right_and_down(p)[0],
    "no gradient": lambda p: smooth(p).detach(),
}


@pytest.mark.parametrize("says", VARIATIONS)
def test_wrong_variations(says):
    refuses(lambda_check(check_losses, per_place, relative(per_place)), VARIATIONS[says], says)


def heard(numbers, change=lambda act: act, names=("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv4_2"), **options):
    """A listen() at the layers of these numbers."""
    def listen(picture):
        found, network = {}, vgg_features(**options)
        for number, layer in enumerate(network):
            picture = layer(picture.clone())
            if number in numbers:
                found[names[numbers.index(number)]] = change(picture).clone()
        return found
    return listen


RIGHT = (0, 5, 10, 19, 21)
LISTENS = {
    "its conv2_1 is conv1_2, its conv3_1 is conv2_1": heard((0, 2, 5, 7, 10)),
    "its conv4_2 is relu5_1": heard((0, 5, 10, 19, 29)),
    "its conv4_2 is conv3_3": heard((0, 5, 10, 19, 14)),
    "its conv4_2 is conv5_1": heard((0, 5, 10, 19, 28)),
    "its conv2_1 is pool1": heard((0, 4, 10, 19, 21)),
    "conv1_1 (and 4 more) has no negative value": heard((1, 6, 11, 20, 22)),
    "conv4_2 has no negative value": heard((0, 5, 10, 19, 22)),
    "returns no conv4_1; it returns conv1_1": heard(RIGHT, names=("conv1_1", "conv2_1", "conv3_1", "deep", "conv4_2")),
    "nothing that the network has seen": heard(RIGHT, change=lambda act: 2 * act),
    "conv1_1 has shape [24, 40, 56]": heard(RIGHT, change=lambda act: act[0]),
    "should return a dictionary": lambda picture: [picture],
    "no gradient": torch.no_grad()(heard(RIGHT)),
    "stops with KeyError": lambda picture: heard(RIGHT)(picture)["conv9_9"],
}


@pytest.mark.parametrize("says", LISTENS)
def test_wrong_listens(says):
    refuses(check_listen, LISTENS[says], says)


def totals(mended):
    """{what is told: make_total} of wrong sums."""
    listen, gram, network = (mended[name] for name in ("listen", "gram", "network"))

    def targets(content, style):
        return listen(content)["conv4_2"].detach(), {name: gram(act).detach() for name, act in listen(style).items()}

    def once(change):
        """Targets made once, and then total = change(picture, content's target, style's targets)."""
        def make_total(content, style):
            network.requires_grad_(False)
            kept = targets(content, style)
            return lambda picture: change(picture, *kept)
        return make_total

    def hanging(content, style):
        network.requires_grad_(True)
        wanted, grams = listen(content)["conv4_2"], {name: gram(act) for name, act in listen(style).items()}
        return lambda picture: _sum(mended, listen(picture), wanted, grams, picture)

    def not_frozen(content, style):
        network.requires_grad_(True)
        kept = targets(content, style)
        return lambda picture: _sum(mended, listen(picture), *kept, picture)

    def again(content, style):
        network.requires_grad_(False)
        return lambda picture: _sum(mended, listen(picture), *targets(content, style), picture)

    def growing(content, style):
        network.requires_grad_(False)
        kept, count = targets(content, style), []
        return lambda picture: _sum(mended, listen(picture), *kept, picture) * (count.append(1) or len(count))
    def exchanged(content, style):
        return once(lambda p, wanted, grams: _sum(mended, listen(p), wanted, grams, p))(style, content)

    def in_one_batch(content, style):
        both = torch.cat([content, style])                                   # as if the two had one size
        return once(lambda p, wanted, grams: _sum(mended, listen(p), wanted, grams, p))(both[:1], both[1:])

    def deaf(p, wanted, grams):
        with torch.no_grad():
            seen = listen(p)
        return _sum(mended, seen, wanted, grams, p)

    def plain_number(p, wanted, grams):
        seen = listen(p)
        return _sum(mended, seen, wanted, grams, p, "style") + (_sum(mended, seen, wanted, grams, p)
                                                                - _sum(mended, seen, wanted, grams, p, "style")).item()
    return {
        "the smoothness is in the sum no longer": once(lambda p, wanted, grams: _sum(mended, listen(p), wanted, grams, p, "smoothness")),
        "have changed places": exchanged,
        "the weights in STYLE are not used": once(lambda p, *kept: _sum({**mended, "STYLE": dict.fromkeys(mended["STYLE"], 1.0)}, listen(p), *kept, p)),
        "content and style: in the sum, but without a gradient": once(deaf),
        "style: in the sum, but without a gradient": once(plain_number),
        "right would be": once(lambda p, *kept: 2 * _sum(mended, listen(p), *kept, p)),
        "should return the function `total`": lambda content, style: None,
        "stops on a painting of another size with": in_one_batch,
        "the second `backward()`": hanging, "gradients for 20 of the network's weights": not_frozen, "sends 3 pictures": again,
        "has another loss": growing,
        "with another photograph": once(lambda p, wanted, grams: _style_only(mended, listen(p), grams, p)),
        "with another painting": once(lambda p, wanted, grams: mended["content_loss"](listen(p)["conv4_2"], wanted)),
        "one gray sheet": once(lambda p, wanted, grams: _sum(mended, listen(p), wanted, grams, p) + 1),
        "no gradient reaches": once(lambda p, *kept: _sum(mended, listen(p.detach()), *kept, p.detach()) + 0 * p.sum()),
        "single number": once(lambda p, wanted, grams: (listen(p)["conv4_2"] - wanted).pow(2)),
        "stops with ZeroDivisionError": lambda content, style: 1 / 0,
    }


def _style_only(mended, seen, grams, picture):
    return sum(mended["style_loss"](seen[name], grams[name]) for name in grams) + mended["tv_loss"](picture)


@pytest.mark.parametrize("says", totals({"listen": 0, "gram": 0, "network": 0}))
def test_wrong_totals(says):
    space = program()
    refuses(check_total, at_home(totals(space)[says], space), says, space["network"])


def clamped(low, high, inside=True, **options):
    """An L-BFGS that clamps the picture inside its closure, or once at the end."""
    def paint(picture, total, max_iter):
        def watched(picture):
            if inside:
                picture.data.clamp_(low, high)
            return total(picture)
        return lbfgs(picture, watched, max_iter, max_iter=1, **options).clamp(low, high)
    return paint


def many(picture, total, max_iter):
    for _ in range(max_iter):
        picture = lbfgs(picture, total, 1)
    return picture


def on_the_spot(picture, total, max_iter):
    picture.requires_grad_()
    optimizer = optim.Adam([picture], lr=0.1)
    for _ in range(max_iter):
        optimizer.zero_grad()
        total(picture).backward()
        optimizer.step()
    return picture.detach()


def never_cleared(picture, total, max_iter):
    picture = picture.clone().requires_grad_()
    optimizer = optim.LBFGS([picture], max_iter=max_iter, max_eval=max_iter, line_search_fn="strong_wolfe")

    def closure():
        loss = total(picture)
        loss.backward()
        return loss
    optimizer.step(closure)
    return picture.detach()


PAINTS = {
    "held between 0.0 and 1.0": clamped(0, 1),
    "held between 0.0 and 1.0: dark places": clamped(0, 1, inside=False),
    "behind the optimizer's back": clamped(-2.1, 2.6),
    "no value beyond": clamped(-2.1, 2.6, line_search_fn="strong_wolfe"),
    "evaluates the loss 800 times": many,
    "stops after 20 evaluations": lambda picture, total, max_iter: lbfgs(picture, total, 1),
    "max_iter=3, `paint` evaluates the loss 60 times": lambda picture, total, max_iter: lbfgs(picture, total, 60, max_iter=1),
    "changes the picture that it is given": on_the_spot,
    "asked for max_iter=24, `paint` does not ask": lambda picture, total, max_iter: picture.clone(),
    "asked for max_iter=3, `paint` does not ask": lambda picture, total, max_iter: lbfgs(picture, total, max_iter // 20 * 20),
    "return the painted picture": lambda *which: lbfgs(*which)[0],
    "all earlier ones are added": never_cleared,
    "hardly nearer": lambda picture, total, max_iter: [total(picture) for _ in range(max_iter)] and picture.clone(),
    "your function stops with TypeError": lambda picture, total: picture,
}


@pytest.mark.parametrize("says", PAINTS)
def test_wrong_paints(says):
    refuses(check_paint, PAINTS[says], says)
