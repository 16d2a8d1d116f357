"""Pictures are read at full depth as a viewer shows them, checked against what Pillow was given to write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import xprism
from xprism.errors import CorruptFile, DecodeLimit, NotARadiograph, ReadError, UnsupportedFile
from xprism.readers import picture

GREY8 = np.random.default_rng(1).integers(0, 256, (31, 45), np.uint8)
GREY16 = np.random.default_rng(2).integers(0, 65536, (31, 45), np.uint16)


def saved(path, image, **options):
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.bmp", "a.gif"])
def test_8_bit_grey_comes_back_exactly(name, tmp_path):
    film = xprism.read(saved(tmp_path / name, GREY8), polarity="display")
    assert film.stored.dtype == np.uint8
    np.testing.assert_array_equal(film.stored, GREY8)
    np.testing.assert_array_equal(film.display, (GREY8 / 255).astype(np.float32))
    assert film.spacing is None


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_16_bit_grey_keeps_its_depth(name, tmp_path):
    film = xprism.read(saved(tmp_path / name, GREY16), polarity="inverted")
    assert film.stored.dtype == np.uint16
    np.testing.assert_array_equal(film.stored, GREY16)
    np.testing.assert_allclose(film.display, 1 - GREY16 / 65535, atol=1e-7)
    np.testing.assert_array_equal(film.to_stored(film.display), GREY16)


def test_jpeg_equals_what_pillow_decodes(tmp_path):
    path = saved(tmp_path / "a.jpg", GREY8, quality=80)
    np.testing.assert_array_equal(xprism.read(path).stored, np.asarray(Image.open(path)))


@pytest.mark.parametrize("name", ["film", "film.dcm", "film.tif"])
def test_format_is_known_by_content_and_not_by_name(name, tmp_path):
    film = xprism.read(saved(tmp_path / name, GREY8, format="PNG"))
    assert film.origin == "png"


def test_palette_is_applied_even_when_it_inverts(tmp_path):
    image = Image.fromarray(GREY8).copy()
    image = image.convert("P")
    image.putdata(GREY8.ravel().tolist())
    image.putpalette([255 - k for k in range(256) for _ in range(3)])
    film = xprism.read(saved(tmp_path / "a.png", image), polarity="display")
    np.testing.assert_array_equal(film.stored, 255 - GREY8)
    assert "Applied the colour palette." in film.log


def test_white_is_zero_tiffs_look_as_in_a_viewer_at_both_depths(tmp_path):
    eight = saved(tmp_path / "8.tif", GREY8, tiffinfo={262: 0})
    sixteen = saved(tmp_path / "16.tif", GREY16, tiffinfo={262: 0})
    with Image.open(sixteen) as check:
        assert check.tag_v2[262] == 0
        raw = np.asarray(check)
    np.testing.assert_array_equal(xprism.read(eight).stored, np.asarray(Image.open(eight)))
    np.testing.assert_array_equal(xprism.read(sixteen).stored, 65535 - raw)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
def test_equal_channels_are_one_film(mode, tmp_path):
    film = xprism.read(saved(tmp_path / "a.png", Image.fromarray(GREY8).convert(mode)))
    np.testing.assert_array_equal(film.stored, GREY8)


def test_true_colour_is_refused_with_a_remedy(tmp_path):
    colour = np.stack([GREY8, GREY8, 255 - GREY8], axis=-1)
    with pytest.raises(NotARadiograph, match=r"channels differ.*8- or 16-bit grey"):
        xprism.read(saved(tmp_path / "a.png", colour))


def test_orientation_tag_is_followed(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "a.jpg", GREY8, exif=exif)
    film = xprism.read(path)
    np.testing.assert_array_equal(film.stored, np.rot90(np.asarray(Image.open(path)), -1))
    assert any("orientation" in sentence for sentence in film.log)


def test_print_resolution_is_not_taken_as_spacing(tmp_path):
    film = xprism.read(saved(tmp_path / "a.png", GREY8, dpi=(300, 300)))
    assert film.spacing is None
    assert any("not taken as pixel spacing" in sentence for sentence in film.log)


def test_several_pages_masks_and_floats_are_refused(tmp_path):
    page = Image.fromarray(GREY8)
    with pytest.raises(NotARadiograph, match="pages"):
        xprism.read(saved(tmp_path / "a.tif", page, save_all=True, append_images=[page]))
    with pytest.raises(NotARadiograph, match="mask"):
        xprism.read(saved(tmp_path / "b.png", page.convert("1")))
    with pytest.raises(UnsupportedFile, match="floating"):
        xprism.read(saved(tmp_path / "c.tif", GREY8.astype(np.float32)))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", "a.bmp", "a.gif"])
@pytest.mark.parametrize("kept", [0.2, 0.6])
def test_truncated_pictures_are_corrupt(name, kept, tmp_path):
    path = saved(tmp_path / name, np.random.default_rng(3).integers(0, 256, (300, 300), np.uint8))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CorruptFile):
        xprism.read(path)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "MOST_PIXELS", 1000)
    with pytest.raises(DecodeLimit):
        xprism.read(saved(tmp_path / "a.png", GREY8))


def test_bomb_header_is_refused(tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    with pytest.raises(DecodeLimit, match="million"):
        xprism.read(path)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@settings(deadline=None)
@given(st.binary(min_size=0, max_size=300), st.sampled_from(["png", "tiff", "jpeg", "gif", "bmp", "dicom"]))
def test_no_bytes_after_a_known_beginning_escape_the_typed_errors(tmp_path_factory, rubbish, kind):
    begin = {
        "png": b"\x89PNG\r\n\x1a\n",
        "tiff": b"II*\0",
        "jpeg": b"\xff\xd8\xff\xe0",
        "gif": b"GIF89a",
        "bmp": b"BM",
        "dicom": bytes(128) + b"DICM",
    }[kind]
    path = tmp_path_factory.mktemp("rubbish") / "file"
    path.write_bytes(begin + rubbish)
    with pytest.raises(ReadError) as caught:
        xprism.read(path)
    assert caught.value.where == str(path)
    assert caught.value.remedy
