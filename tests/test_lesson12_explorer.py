"""Lesson 12's explorer: every control answers, quickly, with the learner's own functions, right or wrong."""
import re

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from classroom import drive, reads_without_a_kernel, says_stub, seconds
from nst_lessons.explorers import PhoneExplorer
from nst_lessons.mobile import separable_conv
from nst_lessons.mobile.quantize import quantized


@pytest.fixture(scope="module")
def explorer():
    return PhoneExplorer(quantized=quantized, size=128)


def test_every_control_answers(explorer):
    drive(explorer)
    drive(PhoneExplorer(separable_conv=separable_conv, size=128))


@pytest.mark.alone
def test_it_answers_in_a_tenth_of_a_second(explorer):
    assert seconds(explorer.bits, [8, 6, 5, 4, 3, 2] * 3) < 0.1
    explorer.bits.value = 8


def far(explorer):
    """How far the student is from its teacher, as the explorer says."""
    return float(re.search(r"is ([\d.]+) from its teacher", explorer.state.value)[1])


def test_fewer_bits_are_further_from_the_teacher(explorer):
    found = {}
    for bits in (32, 8, 3, 2):
        explorer.bits.value = bits
        found[bits] = far(explorer)
    explorer.bits.value = 8
    assert abs(found[32] - found[8]) < 0.003 and found[8] < found[3] < 0.7 * found[2]


def test_the_packages_function_changes_nothing():
    plain, mine = PhoneExplorer(size=128), PhoneExplorer(separable_conv=separable_conv, size=128)
    one, other = (np.asarray(each.shown.convert("RGB")).astype(int)[:220] for each in (plain, mine))      # the pictures, not the clock's bars
    assert np.abs(one - other).max() <= 1 and far(plain) == far(mine)


def test_a_wrong_function_looks_wrong():
    right = far(PhoneExplorer(separable_conv=separable_conv, size=128))
    alone = lambda x, depthwise, pointwise, stride: F.conv2d(x[..., ::stride, ::stride], pointwise)
    zeros = lambda kernel, bits: (kernel.round(), torch.ones(len(kernel), 1, 1, 1))
    assert far(PhoneExplorer(separable_conv=alone, size=128)) > 1.3 * right
    assert far(PhoneExplorer(quantized=zeros, size=128)) > 1.3 * right


def test_costs_are_what_is_counted(explorer):
    (many, adds, slow), (few, less, quick) = explorer._cost(False, 128), explorer._cost(True, 128)
    assert many == 358179 and few <= 60000 and 5 < adds / less < 12 and slow > 0 and quick > 0
    large, small = explorer._bytes()
    assert large == pytest.approx(4 * many / 1000) and few / 1000 < small < 4 * few / 1000


def test_without_a_kernel(explorer):
    reads_without_a_kernel(explorer, "PhoneExplorer(quantized=quantized)")
    reads_without_a_kernel(PhoneExplorer(separable_conv=separable_conv, size=128), "PhoneExplorer(separable_conv=separable_conv)")


def test_stubs_and_wrong_answers_are_told_in_the_widget():
    def stub(*_):
        raise NotImplementedError("Exercise 12.3: write quantized")
    says_stub(PhoneExplorer(quantized=stub, size=128))
    says_stub(PhoneExplorer(separable_conv=stub, size=128))
    told = lambda **given: PhoneExplorer(size=128, **given).problem.value
    assert "your function should return two tensors, whole and scale" in told(quantized=lambda kernel, bits: kernel)
    assert "all numbers finite" in told(quantized=lambda kernel, bits: (kernel, torch.full((len(kernel), 1, 1, 1), float("nan"))))
    assert "your function should return [1, 32, " in told(separable_conv=lambda x, depthwise, pointwise, stride: F.conv2d(x, pointwise))
    assert "it returned NoneType" in told(separable_conv=lambda *_: None)
    assert "your function stops with IndexError" in told(quantized=lambda *_: [][0])
