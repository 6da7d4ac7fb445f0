"""Lesson 09, first half: a style as two numbers for each channel, read off any picture (Huang & Belongie 2017)."""


def moments(act, eps=1e-5):
    """Mean and deviation of every channel of every picture: act [B, C, H, W] → two of [B, C, 1, 1]. `eps` keeps a constant finite."""
    mean = act.mean(dim=(2, 3), keepdim=True)
    variance = (act - mean).square().mean(dim=(2, 3), keepdim=True)
    return mean, (variance + eps).sqrt()


def adain(content, style):
    """`content` with the mean and deviation that `style` has, channel by channel (Huang & Belongie 2017, eq. 8).

    content: [B, C, H, W]; style: [1 or B, C, H′, W′], of any size → [B, C, H, W].
    """
    mean, deviation = moments(content)                                       # [B, C, 1, 1]: its own …
    wanted_mean, wanted_deviation = moments(style)                           # … and those wanted
    return (content - mean) / deviation * wanted_deviation + wanted_mean


def normalized(act):
    """Mean 0 and deviation 1 in every channel of every picture: how attention compares two pictures, whatever their contrast."""
    mean, deviation = moments(act)
    return (act - mean) / deviation
