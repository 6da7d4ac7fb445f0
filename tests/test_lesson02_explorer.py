"""Lesson 02's explorer: every control answers, quickly, with the learner's own functions, right or wrong."""
import pytest
import torch

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons import Features, load_image
from nst_lessons.explorers import FeatureMapExplorer
from nst_lessons.explorers.feature_maps import CONVS, LAYERS, steps_to


def listen(network, picture, layer):
    """As in the notebook: it keeps the tensor itself."""
    kept = []
    handle = network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    network(picture)
    handle.remove()
    return kept[0]


def record(network, picture, layers):
    """As in the notebook, with copies."""
    kept = {}
    handles = [network.get_submodule(name).register_forward_hook(
        lambda module, inputs, output, name=name: kept.update({name: output.clone()})) for name in layers]
    network(picture)
    for handle in handles:
        handle.remove()
    return kept


def receptive_field(steps):
    r, j = 1, 1
    for kernel, stride in steps:
        r, j = r + (kernel - 1) * j, j * stride
    return r


def strongest(act, count):
    return act.mean(dim=(2, 3)).topk(count).indices


@pytest.fixture(scope="module")
def explorer():
    return FeatureMapExplorer(record=record, receptive_field=receptive_field, strongest=strongest)


@pytest.fixture(scope="module")
def features():
    return Features("tiny")


def test_every_control_answers(explorer):
    drive(explorer)
    drive(FeatureMapExplorer(listen=listen))
    drive(FeatureMapExplorer())


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.channel, range(0, 500, 20)) < 0.1
    assert seconds(explorer.down, range(0, 100, 5)) < 0.1
    assert seconds(explorer.layer, [*LAYERS * 2], warm_up=0) < 0.1
    assert seconds(explorer.photo, [*explorer.photo.options[:4]] * 3, warm_up=4) < 0.1
    explorer.layer.value, explorer.photo.value, explorer.down.value = "relu5_1", "cat", 42


def test_it_shows_what_the_network_says(explorer, features):
    picture = load_image("cat", size=256)
    truth = features(picture, LAYERS)
    assert list(truth) == LAYERS
    for layer in LAYERS:
        explorer.layer.value = layer
        _, act = explorer._heard("cat", layer)
        torch.testing.assert_close(act, truth[layer])
        assert explorer.channel.max == act.shape[1] - 1
        assert f"{act.shape[1]} channels, {act.shape[2]} × {act.shape[3]} places" in explorer.state.value


def test_what_is_kept_without_a_copy_looks_wrong(features):
    naive = FeatureMapExplorer(listen=listen)
    for layer in CONVS:
        naive.layer.value = layer
        _, act = naive._heard("cat", layer)
        assert act.min() == 0 and features(load_image("cat", size=256), [layer])[layer].min() < 0


def test_the_box_is_what_one_number_can_see():
    """The frame's place and side against the support of the gradient, max pooling replaced by a mean that lets all through."""
    features = Features("tiny", pooling="avg")
    for layer, row, column in [("relu1_1", 9, 5), ("relu2_1", 20, 31), ("relu3_1", 11, 9), ("relu4_1", 7, 8)]:
        picture = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)).requires_grad_()
        features(picture, [layer])[layer][0, :, row, column].sum().backward()
        seen = picture.grad[0].abs().sum(dim=0) > 0
        side = receptive_field(steps_to(layer))
        stride = 128 // features(picture, [layer])[layer].shape[2]
        rows, columns = (seen.any(dim=dim).nonzero().flatten().tolist() for dim in (1, 0))
        for place, touched in ((row, rows), (column, columns)):
            first = place * stride + (stride - side) / 2
            assert touched == list(range(max(0, int(first)), min(128, int(first) + side)))


def test_a_new_layer_shows_its_loudest_channel_here_and_conv_and_relu_keep_it(explorer, features):
    explorer.layer.value = "relu3_1"
    explorer.layer.value = "relu4_1"
    act = features(load_image("cat", size=256), ["relu4_1"])["relu4_1"]
    row, column = int(0.42 * act.shape[2]), int(0.34 * act.shape[3])
    assert explorer.channel.value == act[0, :, row, column].argmax()
    explorer.channel.value = 5
    explorer.layer.value = "conv4_1"
    assert explorer.channel.value == 5
    explorer.loudest.click()
    assert explorer.channel.value == act[0, :, row, column].argmax()
    explorer.layer.value = "relu5_1"


def test_buttons_lead_to_the_strongest_channels(explorer, features):
    explorer.layer.value = "relu5_1"
    numbers = strongest(features(load_image("cat", size=256), ["relu5_1"])["relu5_1"], 6)[0].tolist()
    assert [int(button.description) for button in explorer.numbers] == numbers
    for button, number in zip(explorer.numbers, numbers):
        before = explorer.picture.value
        explorer.channel.value = (number + 1) % 512
        button.click()
        assert explorer.channel.value == number and explorer.picture.value != b"" and button.tooltip == f"show channel {number}"
        assert explorer.picture.value != before or number == numbers[0]
    assert explorer.problem.value == ""


def test_another_receptive_field_is_another_box():
    right, small, none = (FeatureMapExplorer(receptive_field=field) for field in (receptive_field, lambda steps: 9, None))
    assert len({right.picture.value, small.picture.value, none.picture.value}) == 3
    for explorer in (right, small):
        for explorer.down.value, explorer.across.value in [(0, 0), (100, 100)]:      # the box reaches beyond the picture
            assert explorer.problem.value == ""


def test_another_ranking_is_another_row_of_maps():
    weakest = FeatureMapExplorer(strongest=lambda act, count: (-act.mean(dim=(2, 3))).topk(count).indices)
    assert weakest.picture.value != FeatureMapExplorer().picture.value


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "FeatureMapExplorer(record=record, strongest=strongest, receptive_field=receptive_field)")
    reads_without_a_kernel(FeatureMapExplorer(), "FeatureMapExplorer()")


def test_a_stub_is_told_in_the_widget():
    def stub(*_):
        raise NotImplementedError("Exercise 2.1: write record")
    for name in ("listen", "record", "receptive_field", "strongest"):
        says_stub(FeatureMapExplorer(**{name: stub}))


def hanging(network, picture, layer):
    kept = []
    network.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    network(picture)
    return kept[0]


WRONG = {
    "left 1 hook in the network": dict(listen=hanging),
    "should be [1, C, H, W], they are NoneType": dict(listen=lambda *_: None),
    "they are [512, 10, 16]": dict(listen=lambda *those: listen(*those)[0]),
    "should return a dict with relu5_1, it returned list": dict(record=lambda *those: list(record(*those).values())),
    "it returned a dict of nothing": dict(record=lambda *_: {}),
    "a whole number of px, it returned None": dict(receptive_field=lambda steps: None),
    "it returned 1.5": dict(receptive_field=lambda steps: 1.5),
    "it returned (156, 16)": dict(receptive_field=lambda steps: (156, 16)),
    "far more than the picture has": dict(receptive_field=lambda steps: 10 ** 6),
    "should return [1, 6] channel numbers, 0 to 511; it returned [6]": dict(strongest=lambda act, count: strongest(act, count)[0]),
    "it returned NoneType": dict(strongest=lambda act, count: None),
    "which are floats": dict(strongest=lambda act, count: act.mean(dim=(2, 3)).topk(count).values),
    "it returned some from 9999 to 9999": dict(strongest=lambda act, count: torch.full((1, count), 9999)),
    "receptive_field stops with TypeError": dict(receptive_field=lambda: 1),
    "your function stops with ZeroDivisionError": dict(record=lambda *_: 1 / 0),
    "strongest stops with": dict(strongest=lambda act, count: act.topk(9999)),
}


@pytest.mark.parametrize("says", WRONG)
def test_a_wrong_answer_is_told_in_the_widget(says):
    told = FeatureMapExplorer(**WRONG[says]).problem.value
    assert says in told and "fault of the program" not in told


def test_it_recovers_once_the_function_is_right():
    answers = iter([hanging, listen, listen])
    explorer = FeatureMapExplorer(listen=lambda *those: next(answers)(*those))
    assert explorer.problem.value
    explorer.layer.value = "relu3_1"
    assert explorer.problem.value == "" and "256 channels" in explorer.state.value
