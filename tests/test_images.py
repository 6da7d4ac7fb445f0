"""Lesson 01, pictures in and out: every kind of picture is made here, with Pillow or byte by byte, and has a known answer."""
import io
import itertools
import json
import os
import struct
import subprocess
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import nst_lessons.images as images
from nst_lessons import decode, paintings
from nst_lessons.images import (IMAGENET_MEAN, IMAGENET_STD, ImageError, denormalize, keep_color, load_image, normalize,
                                read_settings, resize, samples, save_image, to_bytes, to_pil)


# Helpers: pictures with known pixels, and files that Pillow cannot write.

def colors(height=24, width=40, seed=0):
    """Random uint8 [H, W, 3] in blocks of 8 px, which JPEG keeps well."""
    blocks = np.random.default_rng(seed).integers(40, 216, (-(-height // 8), -(-width // 8), 3), np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)[:height, :width]


def encode(picture, kind="PNG", **options):
    file = io.BytesIO()
    (Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture).save(file, kind, **options)
    return file.getvalue()


def hwc(tensor):
    assert tensor.dtype == torch.float32 and tensor.dim() == 4 and tensor.shape[:2] == (1, 3) and tensor.is_contiguous()
    assert tensor.min() >= 0 and tensor.max() <= 1
    return tensor[0].permute(1, 2, 0).numpy()


def same(tensor, expected, tolerance=1e-6):
    """The tensor shows uint8 or [0, 1] float pixels [H, W, 3]."""
    expected = expected / 255 if expected.dtype == np.uint8 else expected
    np.testing.assert_allclose(hwc(tensor), np.broadcast_to(expected, expected.shape[:2] + (3,)), atol=tolerance)


def png(width, height, depth, kind, data=b""):
    """PNG bytes written by hand, for kinds that Pillow cannot write; kind 0 gray, 2 RGB, 4 gray + alpha, 6 RGBA."""
    chunk = lambda name, body: struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def png16(array):
    """16-bit PNG of uint16 [H, W, C]."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    return png(array.shape[1], array.shape[0], 16, {1: 0, 2: 4, 3: 2, 4: 6}[array.shape[2]], rows)


def tiff16(array, order):
    """Uncompressed 16-bit RGB TIFF of uint16 [H, W, 3], byte order "<" or ">"."""
    height, width = array.shape[:2]
    end = 8 + 2 + 12 * 9 + 4  # header, number of tags, nine tags, no further directory
    longs = {256: width, 257: height, 273: end + 6, 278: height, 279: array.nbytes}  # 273: where the pixels are
    shorts = {259: 1, 262: 2, 277: 3}  # uncompressed, RGB, three channels
    tags = {tag: struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in longs.items()}
    tags |= {tag: struct.pack(order + "HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()}
    tags[258] = struct.pack(order + "HHII", 258, 3, 3, end)  # bits per channel
    header = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, len(tags))
    bits = struct.pack(order + "I3H", 0, 16, 16, 16)
    return header + b"".join(tags[tag] for tag in sorted(tags)) + bits + array.astype(order + "u2").tobytes()


def icc(kind, space, pcs, tags):
    """ICC profile, version 2, with these tags."""
    table, body, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data
    d50 = struct.pack(">3i", *(round(v * 65536) for v in (0.9642, 1, 0.8249)))
    header = struct.pack(">I4xI4s4s4s12x4s28x12s48x", start + len(body), 0x02400000, kind, space, pcs, b"acsp", d50)
    return header + struct.pack(">I", len(tags)) + table + body


def xyz(*values):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in values))


def curve(values):
    return b"curv\0\0\0\0" + struct.pack(f">I{len(values)}H", len(values), *(round(v * 65535) for v in values))


def to_linear(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def to_srgb(v):
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055)


RED, GREEN, BLUE = (0.4360, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)  # sRGB's own, under D50
WHITE = {b"wtpt": xyz(0.9642, 1, 0.8249)}


def rgb_profile(red, green, blue, tone):
    return icc(b"mntr", b"RGB ", b"XYZ ", {b"rXYZ": xyz(*red), b"gXYZ": xyz(*green), b"bXYZ": xyz(*blue), b"rTRC": curve(tone),
                                           b"gTRC": curve(tone), b"bTRC": curve(tone), **WHITE})


SRGB_TONE = to_linear(np.linspace(0, 1, 1024))
SWAPPED = rgb_profile(BLUE, GREEN, RED, SRGB_TONE)  # its red is blue
LINEAR = rgb_profile(RED, GREEN, BLUE, np.linspace(0, 1, 2))


def refused(*args, match, **kwargs):
    """The call raises an ImageError of one line that matches."""
    with pytest.raises(ImageError, match=match) as caught:
        load_image(*args, **kwargs)
    assert "\n" not in str(caught.value) and (caught.value.__suppress_context__ or caught.value.__context__ is None)
    return str(caught.value)


# Sources.

def test_every_kind_of_source_gives_the_same_picture(tmp_path):
    array = colors()
    data = encode(array)
    file = tmp_path / "图片 1.png"
    file.write_bytes(data)
    half_read = io.BytesIO(data)
    half_read.read()
    upload = {"name": "a.png", "type": "image/png", "size": len(data), "content": memoryview(data)}
    tensor = torch.from_numpy(array).permute(2, 0, 1)
    for source in (str(file), file, data, bytearray(data), memoryview(data), half_read, upload, (upload,), Image.fromarray(array),
                   array, array / 255, (array / 255).astype(np.float16), array[:, ::-1].copy()[:, ::-1],
                   tensor, tensor / 255, tensor[None] / 255, (tensor / 255).double(), (tensor / 255).requires_grad_()):
        tolerance = 1e-3 if getattr(source, "dtype", None) == np.float16 else 1e-6
        same(load_image(source), array, tolerance)
    with open(file, "rb") as stream:
        same(load_image(stream), array)
    with Image.open(file) as lazy:
        same(load_image(lazy), array)


def test_home_folder_and_file_named_like_a_sample(tmp_path, monkeypatch):
    (tmp_path / "cat").write_bytes(encode(colors()))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load_image("cat").shape[-2:] == (300, 451)
    assert load_image("./cat").shape[-2:] == load_image("~/cat").shape[-2:] == load_image(Path("cat")).shape[-2:] == (24, 40)


def test_what_comes_back_is_a_copy():
    array, tensor = np.zeros((20, 20, 3), np.float32), torch.zeros(1, 3, 20, 20)
    load_image(array).fill_(1)
    load_image(tensor).fill_(1)
    assert array.max() == 0 and tensor.max() == 0


def test_arrays_of_every_shape_and_type():
    deep = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30) * 109
    same(load_image(deep), deep[..., None] / 65535)
    same(load_image(deep[..., None]), deep[..., None] / 65535)
    same(load_image(deep > 30000), (deep > 30000)[..., None].astype(np.float64))
    rgba = np.zeros((20, 20, 4))
    rgba[..., 1], rgba[..., 3] = 0.5, 0.25  # a quarter of (0, .5, 0) before white
    same(load_image(rgba), np.tile([0.75, 0.875, 0.75], (20, 20, 1)))


@pytest.mark.parametrize("source, match", [
    (np.zeros((3, 20, 20)), r"\[3, 20, 20\].*channels come last"),
    (np.zeros((20, 20, 2)), r"\[H, W, 4\], this one is \[20, 20, 2\]"),
    (np.zeros((1, 20, 20, 3)), "this one is"),
    (np.zeros(20), "this one is"),
    (np.zeros((0, 20, 3)), "this one is"),
    (np.full((20, 20), 255.0), "reach from 255 to 255: scale them"),
    (np.full((20, 20), -0.5), "lie in"),
    (np.full((20, 20), np.nan), "nan"),
    (np.full((20, 20), np.inf), "inf"),
    (np.zeros((20, 20), np.int64), "not int64.*astype"),
    (np.zeros((20, 20), complex), "complex"),
    (np.full((20, 20), "x"), "not <U1"),
    (torch.zeros(20, 20, 3), r"\[1, 3, H, W\] or \[3, H, W\], this is \[20, 20, 3\]"),
    (torch.zeros(2, 3, 20, 20), r"batch of 2 pictures.*images\[:1\]"),
    (torch.full((3, 20, 20), 2.0), "reach from 2 to 2"),
    (torch.full((3, 20, 20), torch.nan), "nan"),
    (np.zeros((15, 40, 3)), "40×15 px, too small.*16"),
    (np.zeros((40, 15, 3)), "15×40 px, too small.*16"),
    (7, "int is no picture: give a name"),
    (None, "NoneType is no picture"),
    (io.StringIO("text"), "str is no picture"),
    ((), "0 pictures"),
    ([b"a", b"b"], "2 pictures"),
    ({"name": "x.png", "content": b""}, "'x.png' is empty"),
    (b"", "empty"),
    (io.BytesIO(), "empty"),
])
def test_bad_sources(source, match):
    refused(source, match=match)


def test_closed_file():
    file = io.BytesIO(b"x")
    file.close()
    refused(file, match="closed file")


@pytest.mark.parametrize("size", [0, 15, -3, 256.0, "256", True, (10, 20)])
def test_bad_size(size):
    refused(np.zeros((20, 20)), size, match="longer side in pixels, a whole number from 16")


# Files that are no pictures.

def test_missing_names_say_what_there_is(tmp_path, monkeypatch):
    (tmp_path / "holiday.jpg").write_bytes(encode(colors(), "JPEG"))
    monkeypatch.chdir(tmp_path)
    message = refused("astronout", match="no file 'astronout', and no sample of that name; samples: astronaut, cat, .*starry")
    assert message.endswith("did you mean 'astronaut'?")
    refused("starrry", match="did you mean 'starry'")
    assert "samples" not in refused("holliday.jpg", match="did you mean 'holiday.jpg'")
    refused(str(tmp_path / "holiday.JPG"), match="no file .*did you mean 'holiday.jpg'")
    refused(Path("nowhere/a.png"), match="no folder 'nowhere'")
    refused("https://example.org/a.png", match="web address: download")
    refused("a\0b.png", match="no file")
    refused("two\nlines.png", match="no file")
    assert len(refused("x" * 100000, match="no file")) < 1000


@pytest.mark.parametrize("content, match", [
    (b"", "is empty"),
    (b"hello", "not a picture"),
    (b"\0" * 5000, "not a picture"),
    (b"\x89PNG\r\n\x1a\n", "not a picture, or a broken one|broken"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC: export it as JPEG or PNG"),
    (b"\0\0\0\x20ftypisom" + b"\0" * 30, "film"),
    (b"%PDF-1.7 ...", "PDF: export"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n", "PostScript"),
    (b"<!DOCTYPE html><html>", "web page"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
])
def test_files_that_are_no_pictures(tmp_path, content, match):
    (tmp_path / "a.png").write_bytes(content)
    assert refused(tmp_path / "a.png", match=match).startswith(repr(str(tmp_path / "a.png")))


def test_folders_and_forbidden_files(tmp_path):
    refused(tmp_path, match="is a folder: name a picture in it")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        refused(tmp_path / "pipe", match="no ordinary file")
    (tmp_path / "mine.png").write_bytes(encode(colors()))
    (tmp_path / "mine.png").chmod(0)
    if not os.access(tmp_path / "mine.png", os.R_OK):
        refused(tmp_path / "mine.png", match="cannot be read: Permission denied")


FORMATS = {"png": ("PNG", {}), "jpeg": ("JPEG", {}), "progressive": ("JPEG", {"progressive": True}), "webp": ("WEBP", {}),
           "gif": ("GIF", {}), "tiff": ("TIFF", {}), "lzw": ("TIFF", {"compression": "tiff_lzw"}), "bmp": ("BMP", {}),
           "ppm": ("PPM", {})}


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_loads_whole_or_is_refused(name):
    kind, options = FORMATS[name]
    if kind in ("TIFF", "JPEG", "WEBP"):
        options = options | {"icc_profile": SWAPPED}  # which may lie behind the pixels
    data = encode(np.random.default_rng(1).integers(0, 256, (40, 56, 3), np.uint8), kind, **options)
    whole, broken = load_image(data), 0
    for cut in np.linspace(1, len(data) - 1, 60).astype(int):
        try:
            assert torch.equal(load_image(data[:cut]), whole), f"cut at {cut} of {len(data)}"
        except ImageError as error:
            broken += 1
            assert "\n" not in str(error)
    assert broken > 50
    with pytest.raises(ImageError, match="broken or incomplete|broken one"):
        load_image(data[:len(data) // 2])


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_with_flipped_bytes_loads_or_is_refused(name):
    kind, options = FORMATS[name]
    data, rng = encode(colors(), kind, **options), np.random.default_rng(2)
    for _ in range(60):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            damaged[place] = rng.integers(256)
        try:
            hwc(load_image(damaged, max_megapixels=1))
        except ImageError as error:
            assert "\n" not in str(error)


def test_bombs_are_refused_by_their_header_alone():
    bomb = png(20000, 20000, 8, 2)  # without pixels: whoever decodes it finds it broken
    refused(bomb, match="20000×20000 px, 400 megapixels, and 100 are allowed.*max_megapixels=400")
    refused(bomb, match="broken or incomplete", max_megapixels=400)
    refused(encode(colors()), match="1 megapixels, and 0.0005 are allowed", max_megapixels=0.0005)
    refused(Image.new("1", (4000, 4000)), match="16 megapixels", max_megapixels=9)
    refused(np.zeros((20, 30)), 20000, match="20000×13333 px.*max_megapixels=267")
    refused("starry", 20000, match="max_megapixels=400")


def test_pillows_own_guard_stays_silent_and_in_place(monkeypatch):
    array = colors()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(load_image(encode(array)), array)
        refused(png(9000, 9000, 8, 2), match="broken or incomplete")
    assert Image.MAX_IMAGE_PIXELS == 10


# Kinds of pictures.

@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV"])
def test_modes_in_memory_are_read_as_pillow_reads_them(mode):
    picture = Image.fromarray(colors())
    if mode == "LAB":
        picture = Image.new("LAB", (40, 24), (128, 160, 140))
    elif mode == "1":
        picture = picture.convert("L").point(lambda v: 255 * (v > 128)).convert("1")
    else:
        picture = picture.convert(mode)
    same(load_image(picture), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode, kind", [("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("P", "GIF"), ("CMYK", "TIFF"), ("LAB", "TIFF"),
                                        ("L", "JPEG"), ("RGB", "BMP"), ("RGB", "PPM"), ("RGB", "TIFF")])
def test_modes_in_files(mode, kind):
    picture = Image.fromarray(colors())
    picture = Image.new("LAB", (40, 24), (128, 160, 140)) if mode == "LAB" else picture.convert(mode)
    data = encode(picture, kind)
    same(load_image(data), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


def test_ycbcr_tiff():
    data = encode(Image.new("RGB", (40, 24), (200, 50, 90)).convert("YCbCr"), "TIFF", compression="jpeg")
    assert Image.open(io.BytesIO(data)).tag_v2[262] == 6  # so the file says
    same(load_image(data), np.array([[[200, 50, 90]]], np.uint8).repeat(24, 0).repeat(40, 1), 0.02)


def test_cmyk_jpeg_without_profile():
    ink = np.zeros((32, 32, 4), np.uint8)
    ink[:, :16] = (255, 0, 0, 0)  # cyan alone absorbs red
    picture = Image.merge("CMYK", [Image.fromarray(ink[..., c]) for c in range(4)])
    loaded = hwc(load_image(encode(picture, "JPEG", quality=100)))
    np.testing.assert_allclose(loaded[16, 4], [0, 1, 1], atol=0.02)
    np.testing.assert_allclose(loaded[16, 28], [1, 1, 1], atol=0.02)


def test_16_bit_gray_keeps_its_precision():
    deep = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    for data in (png16(deep[..., None]), encode(Image.fromarray(deep), "TIFF"), encode(Image.fromarray(deep), "PNG")):
        loaded = load_image(data)
        same(loaded, deep[..., None] / 65535)
        assert len(loaded.unique()) == len(np.unique(deep)) > 4000
    same(load_image(Image.fromarray(deep)), deep[..., None] / 65535)
    big_endian = Image.frombytes("I;16B", (64, 64), deep.astype(">u2").tobytes())
    same(load_image(big_endian), deep[..., None] / 65535)
    rows = deep.astype(">u2").tobytes()
    same(load_image(b"P5 64 64 65535\n" + rows), deep[..., None] / 65535)


def test_16_bit_colors_keep_their_precision():
    deep = np.random.default_rng(3).integers(0, 65536, (24, 40, 3), np.uint16)
    for data in (png16(deep), tiff16(deep, "<"), tiff16(deep, ">")):
        same(load_image(data), deep / 65535)
    alpha = np.random.default_rng(4).integers(0, 65536, (24, 40, 1), np.uint16)
    same(load_image(png16(np.concatenate([deep, alpha], 2))), 1 - alpha / 65535 * (1 - deep / 65535), 2e-6)
    gray = np.concatenate([deep[..., :1], alpha], 2)
    same(load_image(png16(gray)), 1 - alpha / 65535 * (1 - deep[..., :1] / 65535), 1 / 128)  # this kind in 8 bits only


def test_16_bit_colors_in_compressed_tiff():
    tifffile = pytest.importorskip("tifffile")
    deep, file = np.random.default_rng(3).integers(0, 65536, (24, 40, 3), np.uint16), io.BytesIO()
    tifffile.imwrite(file, deep, photometric="rgb", compression="deflate")
    same(load_image(file), deep / 65535)


@pytest.mark.parametrize("values, white", [([0, 1], 1), ([0, 255], 255), ([0, 65535], 65535)])
def test_float_and_long_modes(values, white):
    ramp = np.tile(np.linspace(*values, 20, dtype=np.float32), (20, 1))
    same(load_image(Image.fromarray(ramp)), ramp[..., None] / white)
    same(load_image(encode(Image.fromarray(ramp), "TIFF")), ramp[..., None] / white)
    if white > 1:
        ramp = ramp.astype(np.int32)
        same(load_image(Image.fromarray(ramp)), ramp[..., None] / white)
        same(load_image(encode(Image.fromarray(ramp), "TIFF")), ramp[..., None] / white)


@pytest.mark.parametrize("bad", [-1, 1e6, np.nan])
def test_float_modes_that_make_no_picture(bad):
    ramp = np.full((20, 20), 0.5, np.float32)
    ramp[3, 3] = bad
    refused(Image.fromarray(ramp), match=r"make no picture: scale them from 0 \(black\) to 1 \(white\)")


def test_alpha_is_laid_over_white():
    rgba = np.zeros((20, 20, 4), np.uint8)
    rgba[..., 0], rgba[:10, :, 3], rgba[10:, :, 3] = 200, 0, 51  # nothing above; a fifth of (200, 0, 0) below
    expected = np.ones((20, 20, 3))
    expected[10:] = [0.8 + 0.2 * 200 / 255, 0.8, 0.8]
    for picture in (rgba, encode(rgba), encode(rgba, "WEBP", lossless=True, exact=True), encode(rgba, "TIFF"),
                    Image.fromarray(rgba).convert("RGBa")):
        same(load_image(picture), expected, 0.004)
    la = Image.merge("LA", [Image.new("L", (20, 20), 0), Image.new("L", (20, 20), 51)])
    for picture in (la, encode(la), la.convert("La")):
        same(load_image(picture), np.full((20, 20, 1), 0.8))


@pytest.mark.filterwarnings("error")
def test_transparent_palette_and_color_key_become_white():
    picture = Image.new("P", (20, 20), 1)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.paste(0, (0, 0, 10, 20))
    expected = np.ones((20, 20, 3))
    expected[:, 10:] = [0, 0, 1]
    same(load_image(encode(picture, "PNG", transparency=0)), expected)
    same(load_image(encode(picture, "GIF", transparency=0)), expected)
    expected[:, :10] = [1, 0.5, 0.5]
    same(load_image(encode(picture, "PNG", transparency=bytes([128, 255]))), expected, 0.005)
    expected[:, :10] = 1
    same(load_image(encode(picture.convert("RGB"), "PNG", transparency=(255, 0, 0))), expected)
    same(load_image(encode(Image.new("L", (20, 20), 7), "PNG", transparency=7)), np.ones((20, 20, 3)))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_an_animation_the_first_frame(kind):
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    same(load_image(data), np.tile([1.0, 0, 0], (24, 32, 1)), 0.01)


# For each orientation, where row 0 and column 0 of the file are to be seen (EXIF 2.3, table 4.6.4).
SEEN = {1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom")}


@pytest.mark.parametrize("orientation", SEEN)
def test_orientation(orientation):
    upright = colors(24, 40)
    row_at, column_at = SEEN[orientation]
    height, width = upright.shape[:2]
    place = {"top": lambda i: ("y", i), "bottom": lambda i: ("y", height - 1 - i),
             "left": lambda i: ("x", i), "right": lambda i: ("x", width - 1 - i)}
    stored = np.zeros((24, 40, 3) if row_at in ("top", "bottom") else (40, 24, 3), np.uint8)
    for row in range(stored.shape[0]):
        for column in range(stored.shape[1]):
            at = dict([place[row_at](row), place[column_at](column)])
            stored[row, column] = upright[at["y"], at["x"]]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("PNG", "TIFF"):
        same(load_image(encode(stored, kind, exif=exif.tobytes())), upright)
    same(load_image(encode(stored, "TIFF", exif=exif, compression="tiff_lzw")), upright)
    same(load_image(encode(stored, "WEBP", exif=exif.tobytes(), lossless=True)), upright)
    same(load_image(encode(stored, "JPEG", exif=exif.tobytes(), quality=100, subsampling=0)), upright, 0.03)
    same(load_image(Image.open(io.BytesIO(encode(stored, "PNG", exif=exif.tobytes())))), upright)


@pytest.mark.filterwarnings("error")
def test_broken_exif_does_not_spoil_the_picture():
    array = colors()
    for exif in (b"Exif\0\0garbage!", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"):
        same(load_image(encode(array, "JPEG", exif=exif, quality=100, subsampling=0)), array, 0.03)
        same(load_image(encode(array, "PNG", exif=exif)), array)


# Color profiles.

def test_profile_with_other_primaries():
    array = colors()
    swapped = array[..., ::-1]  # what the profile calls red is sRGB's blue
    for picture in (encode(array, icc_profile=SWAPPED), encode(array, "TIFF", icc_profile=SWAPPED),
                    encode(array, "WEBP", icc_profile=SWAPPED, lossless=True)):
        same(load_image(picture), swapped, 0.01)
    same(load_image(encode(Image.fromarray(array).quantize(16), icc_profile=SWAPPED)),
         np.asarray(Image.fromarray(array).quantize(16).convert("RGB"))[..., ::-1], 0.01)
    rgba = np.dstack([array, np.full(array.shape[:2], 102, np.uint8)])
    same(load_image(encode(rgba, icc_profile=SWAPPED)), 0.6 + 0.4 * swapped / 255, 0.01)


def test_profile_with_another_tone_curve():
    ramp = np.tile(np.arange(256, dtype=np.uint8), (16, 1))
    expected = to_srgb(ramp / 255)[..., None]
    same(load_image(encode(np.dstack([ramp] * 3), icc_profile=LINEAR)), expected, 0.008)
    same(load_image(encode(ramp, icc_profile=LINEAR)), expected, 0.008)  # a gray picture that kept an RGB profile
    gray = icc(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve(np.linspace(0, 1, 1024) ** 1.8), **WHITE})
    expected = to_srgb((ramp / 255) ** 1.8)[..., None]
    same(load_image(encode(ramp, icc_profile=gray)), expected, 0.008)
    la = Image.merge("LA", [Image.fromarray(ramp), Image.new("L", (256, 16), 102)])
    same(load_image(encode(la, icc_profile=gray)), 0.6 + 0.4 * expected, 0.008)


def test_profile_of_a_cmyk_picture():
    lab = {(0, 0, 0, 0): (100, 0, 0), (0, 0, 0, 1): (0, 0, 0), (1, 0, 0, 0): (60, 40, 50)}  # an odd press: its cyan prints orange
    corners = [lab.get(inks, (50, 0, 0)) for inks in itertools.product((0, 1), repeat=4)]
    grid = b"".join(struct.pack("3B", round(L * 2.55), a + 128, b + 128) for L, a, b in corners)
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + identity + bytes(range(256)) * 4 + grid + bytes(range(256)) * 3
    profile = icc(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, **WHITE})
    ink = np.zeros((32, 32, 4), np.uint8)
    ink[:, :16, 0] = 255
    picture = Image.merge("CMYK", [Image.fromarray(ink[..., c]) for c in range(4)])
    f = (60 + 16) / 116 + np.array([40 / 500, 0, -50 / 200])  # CIELAB → XYZ → sRGB
    orange = to_srgb(np.linalg.solve(np.array([RED, GREEN, BLUE]).T, f ** 3 * [0.9642, 1, 0.8249]))
    for data in (encode(picture, "JPEG", icc_profile=profile, quality=100), encode(picture, "TIFF", icc_profile=profile)):
        loaded = hwc(load_image(data))
        np.testing.assert_allclose(loaded[16, 28], [1, 1, 1], atol=0.01)
        np.testing.assert_allclose(loaded[16, 4], orange, atol=0.04)


def test_srgb_and_useless_profiles_change_nothing():
    from PIL import ImageCms
    array, deep = colors(), np.random.default_rng(3).integers(0, 65536, (24, 40, 3), np.uint16)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    gray = icc(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve(np.linspace(0, 1, 2)), **WHITE})
    for profile in (srgb, gray, b"garbage", SWAPPED[:200], SWAPPED[:128] + b"\xff" * 300):
        same(load_image(encode(array, icc_profile=profile)), array)
    data = png16(deep)
    body = b"sRGB\0\0" + zlib.compress(srgb)
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    same(load_image(data[:33] + chunk + data[33:]), deep / 65535)  # still all 16 bits


# Sizes.

@pytest.mark.parametrize("shape, size, expected", [
    ((300, 400), 200, (150, 200)), ((400, 300), 200, (200, 150)), ((30, 40), 80, (60, 80)),
    ((33, 100), 50, (16, 50)), ((40, 40), 40, (40, 40)), ((100, 333), np.int64(111), (33, 111))])
def test_size_is_the_longer_side(shape, size, expected):
    assert load_image(np.zeros(shape), size).shape == (1, 3, *expected)


def test_too_thin_at_that_size():
    refused(np.zeros((20, 400)), 200, match="size 200 makes it 200×10 px, each side needs 16")


@pytest.mark.parametrize("target", [(13, 19), (40, 29), (61, 97), (24, 80)])
def test_resize_is_pillows_antialiased_bicubic(target):
    array = np.random.default_rng(5).random((40, 64, 3), np.float32)
    planes = [Image.fromarray(np.ascontiguousarray(array[..., c])).resize(target[::-1], Image.BICUBIC) for c in range(3)]
    expected = np.clip(np.stack([np.asarray(plane) for plane in planes]), 0, 1)
    image = torch.from_numpy(array).permute(2, 0, 1)[None]  # not contiguous, as cameras and HWC arrays come
    result = resize(image, target)
    assert result.is_contiguous()
    np.testing.assert_allclose(result[0], expected, atol=1e-5)
    assert torch.equal(resize(image[0], target), result[0])
    assert resize(image, (40, 64)).is_contiguous() and torch.equal(resize(image, (40, 64)), image)


def test_resize_takes_out_what_is_too_fine():
    checkers = torch.from_numpy(np.indices((64, 64)).sum(0) % 2).float()[None, None]
    np.testing.assert_allclose(resize(checkers, 16)[0, 0, 2:-2, 2:-2], 0.5, atol=1e-3)


def test_load_at_a_size_is_load_then_resize_in_full_precision():
    array = np.random.default_rng(6).integers(0, 256, (64, 96, 3), np.uint8)
    assert torch.allclose(load_image(encode(array), 40), resize(load_image(array), 40), atol=1e-6)


def test_resize_keeps_range_batch_gradient_and_type():
    edge = torch.zeros(2, 1, 20, 20, dtype=torch.float64)
    edge[..., 10:] = 1
    result = resize(edge.requires_grad_(), 64)
    assert result.shape == (2, 1, 64, 64) and result.dtype == torch.float64 and 0 <= result.min() and result.max() <= 1
    result.sum().backward()
    assert edge.grad.abs().sum() > 0


@pytest.mark.parametrize("size", [0, (0, 10), (10, 10, 10), (2.5, 10), 10.0, "10"])
def test_resize_refuses(size):
    with pytest.raises(ImageError, match="longer side or"):
        resize(torch.zeros(1, 3, 20, 20), size)


# What networks were trained on.

def test_normalize_is_torchvisions():
    from torchvision.transforms.functional import normalize as theirs
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    for dtype in (torch.float32, torch.float64):
        assert torch.allclose(normalize(images.to(dtype)), theirs(images.to(dtype), IMAGENET_MEAN, IMAGENET_STD), atol=1e-6)
    assert torch.equal(normalize(images[0]), normalize(images)[0])
    assert normalize(images.bfloat16()).dtype == torch.bfloat16
    other = [0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4]
    four = torch.rand(1, 4, 5, 3)
    assert torch.equal(normalize(four, *other), normalize(four, *map(torch.tensor, other)))
    assert torch.allclose(normalize(four, *other), theirs(four, *other), atol=1e-6)


def test_denormalize_is_the_way_back_and_clamps():
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)).requires_grad_()
    back = denormalize(normalize(images))
    assert torch.allclose(back, images, atol=1e-6) and torch.equal(denormalize(normalize(images[0])), back[0])
    back.sum().backward()
    assert torch.allclose(images.grad, torch.ones_like(images))
    assert denormalize(torch.tensor([-9.0, 9.0]).expand(3, 1, 2))[0].tolist() == [[0, 1]]
    assert torch.allclose(denormalize(torch.zeros(1, 2, 1, 1), [0.3, 0.6], [1, 1]).flatten(), torch.tensor([0.3, 0.6]))


@pytest.mark.parametrize("image", [torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.zeros(1, 1, 4, 4), torch.zeros(4, 4, 3), torch.zeros(3)])
def test_normalize_refuses_bytes_and_other_channels(image):
    for function in (normalize, denormalize):
        with pytest.raises(ImageError, match="3 channels of floats"):
            function(image)


# Colors kept.

def yiq(tensor):
    from skimage.color import rgb2yiq
    return rgb2yiq(hwc(tensor))


def test_keep_color_in_gamut_is_the_swap_in_yiq():
    generator = torch.Generator().manual_seed(0)
    painted, photo = (0.4 + 0.2 * torch.rand(1, 3, 20, 24, generator=generator) for _ in range(2))
    result = yiq(keep_color(painted, photo))
    np.testing.assert_allclose(result[..., 0], yiq(painted)[..., 0], atol=1e-3)  # 1e-3: tables of YIQ are rounded
    np.testing.assert_allclose(result[..., 1:], yiq(photo)[..., 1:], atol=1e-3)


def test_keep_color_out_of_gamut_keeps_luminance_and_hue():
    generator = torch.Generator().manual_seed(1)
    painted, photo = (torch.rand(1, 3, 40, 48, generator=generator).round(decimals=1) for _ in range(2))
    result, light, hue = yiq(keep_color(painted, photo)), yiq(painted)[..., 0], yiq(photo)[..., 1:]
    np.testing.assert_allclose(result[..., 0], light, atol=1e-3)
    cross = result[..., 1] * hue[..., 1] - result[..., 2] * hue[..., 0]
    assert np.abs(cross).max() < 1e-3 and (result[..., 1:] * hue).sum(-1).min() > -1e-3
    assert (np.abs(result[..., 1:]) <= np.abs(hue) + 1e-3).all()


def test_keep_color_keeps_gray_gray_and_a_picture_itself():
    generator = torch.Generator().manual_seed(2)
    photo = torch.rand(1, 3, 20, 24, generator=generator)
    gray = torch.rand(1, 1, 20, 24, generator=generator).expand(1, 3, -1, -1)
    assert torch.allclose(keep_color(photo, photo), photo, atol=1e-5)
    result = keep_color(photo, gray)
    assert torch.allclose(result, result[:, :1].expand_as(result), atol=1e-5)
    black, white = torch.zeros(1, 3, 20, 24), torch.ones(1, 3, 20, 24)
    assert keep_color(black, photo).max() < 1e-5 and keep_color(white, photo).min() > 1 - 1e-5


def test_keep_color_fits_the_photo_to_the_painting():
    painted = torch.full((1, 3, 32, 48), 0.5)
    photo = torch.tensor([0.6, 0.5, 0.4]).view(1, 3, 1, 1).expand(1, 3, 100, 150)
    result = keep_color(painted, photo[0])
    assert result.shape == painted.shape
    assert torch.allclose(result, result[..., :1, :1].expand_as(result), atol=1e-5)
    assert result[0, 0, 0, 0] - result[0, 2, 0, 0] == pytest.approx(0.2, abs=1e-5)


# The way out.

def test_to_pil_clamps_and_rounds():
    values = torch.tensor([-0.3, 0.0, 0.4 / 255, 0.6 / 255, 126.6 / 255, 127.4 / 255, 254.4 / 255, 254.6 / 255, 1.0, 1.7])
    picture = to_pil(values.view(1, 1, 1, -1).expand(1, 3, 2, -1))
    assert picture.mode == "RGB" and picture.size == (10, 2)
    assert np.asarray(picture)[1, :, 2].tolist() == [0, 0, 0, 1, 127, 127, 254, 255, 255, 255]
    assert to_pil(values.bfloat16().view(1, 1, -1).expand(3, 2, -1).requires_grad_()).size == (10, 2)


@pytest.mark.parametrize("suffix, tolerance", [(".png", 0), (".PNG", 0), (".jpg", 3), (".jpeg", 3), (".webp", 8)])
def test_save_then_load(tmp_path, suffix, tolerance):
    array = colors()
    path = save_image(load_image(array), str(tmp_path / f"out{suffix}"))
    assert path == tmp_path / f"out{suffix}"
    assert Image.open(path).format == {".png": "PNG", ".webp": "WEBP"}.get(suffix.lower(), "JPEG")
    assert np.abs(np.round(hwc(load_image(path)) * 255) - array).mean() <= tolerance
    save_image(torch.zeros(3, 20, 20), path)  # over the old one
    assert load_image(path).shape == (1, 3, 20, 20) and os.listdir(tmp_path) == [path.name]


def test_quality_is_obeyed():
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for kind in ("jpeg", "webp"):
        assert len(to_bytes(noise, kind, 30)) < len(to_bytes(noise, kind, 95))


@pytest.mark.parametrize("image, match", [
    (torch.full((1, 3, 20, 20), torch.nan), "NaN or infinite"), (torch.full((1, 3, 20, 20), torch.inf), "NaN or infinite"),
    (torch.zeros(2, 3, 20, 20), "batch of 2"), (torch.zeros(0, 3, 20, 20), "batch of 0"),
    (torch.zeros(1, 1, 20, 20), r"\[1, 3, H, W\]"),
    (torch.zeros(20, 20, 3), "this is .20, 20, 3."), (np.zeros((3, 20, 20)), "a ndarray"), (None, "a NoneType")])
def test_save_refuses_what_is_no_picture(tmp_path, image, match):
    with pytest.raises(ImageError, match=match):
        save_image(image, tmp_path / "a.png")
    assert os.listdir(tmp_path) == []


def test_save_refuses_bad_paths_and_options(tmp_path):
    image = torch.zeros(1, 3, 20, 20)
    (tmp_path / "folder.png").mkdir()
    for path, match in [("a.gif", r"must end in .png, .jpg, .jpeg, .webp"), ("a", "must end in"),
                        ("new/a.png", "no folder .*create it first"), ("folder.png", "that is a folder")]:
        with pytest.raises(ImageError, match=match):
            save_image(image, tmp_path / path)
    for quality in (0, 101, 50.0, True):
        with pytest.raises(ImageError, match="from 1 to 100"):
            save_image(image, tmp_path / "a.jpg", quality=quality)
    with pytest.raises(ImageError, match="one of png, jpg, jpeg, webp"):
        to_bytes(image, "bmp")
    with pytest.raises(ImageError, match="17000×20 px as WEBP .*PNG"):
        to_bytes(torch.zeros(3, 20, 17000), "webp")
    assert os.listdir(tmp_path) == ["folder.png"]


@pytest.mark.parametrize("where", ["encoder", "write", "rename", "interrupt"])
def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, where):
    path = save_image(torch.zeros(1, 3, 20, 20), tmp_path / "a.png")
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise KeyboardInterrupt if where == "interrupt" else OSError(28, "No space left on device")

    owner, name = {"encoder": (Image.Image, "save"), "rename": (os, "replace")}.get(where, (os, "fsync"))
    monkeypatch.setattr(owner, name, fail)
    with pytest.raises(KeyboardInterrupt if where == "interrupt" else ImageError):
        save_image(torch.ones(1, 3, 20, 20), path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a.png"]


@pytest.mark.skipif(os.name != "posix", reason="POSIX permissions")
def test_permissions_are_an_ordinary_files(tmp_path):
    old = os.umask(0o027)
    try:
        path = save_image(torch.zeros(1, 3, 20, 20), tmp_path / "a.png")
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_is_written_through(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "a.png").symlink_to(tmp_path / "far" / "b.png")
    save_image(torch.zeros(1, 3, 20, 20), tmp_path / "a.png")
    assert (tmp_path / "a.png").is_symlink() and load_image(tmp_path / "far" / "b.png").max() == 0


SETTINGS = {"content": "图片 é.png", "alpha": 0.1, "steps": 300, "layers": {"relu1_1": 1},
            "text": "line\nline\0\"", "none": None, "on": True}


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_settings_come_back(tmp_path, suffix):
    class Settings:
        def to_json(self):
            return json.dumps(SETTINGS)

    image = torch.zeros(1, 3, 20, 20)
    for settings in (SETTINGS, Settings(), json.dumps(SETTINGS)):
        path = save_image(image, tmp_path / f"a{suffix}", settings=settings)
        assert read_settings(path) == read_settings(str(path)) == read_settings(path.read_bytes()) == SETTINGS
    assert read_settings(save_image(image, path, settings={})) == {}
    assert read_settings(save_image(image, path)) is None
    same(load_image(path), np.zeros((20, 20, 3)), 0.01)


def test_settings_are_where_other_programs_look():
    image = torch.zeros(1, 3, 20, 20)
    text = Image.open(io.BytesIO(to_bytes(image, "png", settings=SETTINGS))).text["nst_lessons"]
    assert json.loads(text) == SETTINGS and "图片" in text
    for kind in ("jpeg", "webp"):
        comment = Image.open(io.BytesIO(to_bytes(image, kind, settings=SETTINGS))).getexif().get_ifd(0x8769)[0x9286]
        assert comment[:8] == b"ASCII\0\0\0" and json.loads(comment[8:].decode("utf-8"))["nst_lessons"] == SETTINGS


@pytest.mark.parametrize("settings", [{"a": torch.zeros(2)}, {"a": object()}, [1, 2], 5, "not json", {"a": "\ud800"}])
def test_settings_that_are_not_json(tmp_path, settings):
    with pytest.raises(ImageError, match="not JSON .*give a dict"):
        save_image(torch.zeros(1, 3, 20, 20), tmp_path / "a.png", settings=settings)
    assert os.listdir(tmp_path) == []


def test_settings_too_long_for_jpeg():
    with pytest.raises(ImageError, match="PNG has the widest limits"):
        to_bytes(torch.zeros(1, 3, 20, 20), "jpeg", settings={"a": "x" * 70000})
    assert read_settings(to_bytes(torch.zeros(1, 3, 20, 20), "png", settings={"a": "x" * 70000}))["a"] == "x" * 70000


def test_other_peoples_comments_are_no_settings(tmp_path):
    exif = Image.Exif()
    for comment in (b"ASCII\0\0\0holiday", b"ASCII\0\0\0[1]", b"", b"ASCII\0\0\0{\"a\": 1}", "text", 5):
        exif[0x8769] = {0x9286: comment}
        assert read_settings(encode(colors(), "JPEG", exif=exif.tobytes())) is None
    for text in ("{broken", "[1, 2]", ""):
        info = PngInfo()
        info.add_itxt("nst_lessons", text)
        assert read_settings(encode(colors(), pnginfo=info)) is None
    assert read_settings(encode(colors(), "GIF")) is None
    for bad, match in ((tmp_path / "no.png", "no file"), (b"hello", "not a picture"), (tmp_path, "folder")):
        with pytest.raises(ImageError, match=match):
            read_settings(bad)


# Samples.

def test_samples_are_color_photographs_and_paintings():
    known = samples()
    assert set(known) == {"photos", "paintings"} and len(known["photos"]) >= 6 and known["paintings"] == list(paintings.names())
    assert not set(known["photos"]) & set(known["paintings"])
    for name in known["photos"]:
        picture = hwc(load_image(name, 64))
        assert max(picture.shape) == 64 and np.ptp(picture, axis=2).mean() > 0.01, name  # colors, not grays


def test_the_cat_is_scikit_images_cat():
    from skimage import data
    same(load_image("cat"), data.chelsea())
    same(load_image("astronaut"), data.astronaut())


def test_paintings_take_size_and_seed():
    assert max(load_image("starry").shape) == 512
    painting = load_image("starry:7", size=96)
    assert max(painting.shape) == 96 and not torch.equal(painting, load_image("starry", size=96))
    same(painting, paintings.paint("starry", size=96, seed=7))
    refused("starry:x", match="a whole number, as in 'starry:7'")
    refused("starry:", match="a whole number")
    refused("cat:7", match="only paintings have a seed.*write 'cat'")


def test_importing_is_light():
    code = "import sys, nst_lessons.images; print({'scipy', 'skimage', 'matplotlib', 'torchvision', 'cv2'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"


def test_one_error_for_all():
    assert images.ImageError is decode.ImageError and issubclass(ImageError, ValueError)
    assert str(ImageError("two\n  lines")) == "two lines"
