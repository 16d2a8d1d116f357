"""DICOM pixels come back exactly as they were written, in every transfer syntax that is claimed."""

from __future__ import annotations

import io
from pathlib import Path

import dicom_films as films
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid

import xprism
from xprism.errors import CorruptFile, NotARadiograph, ReadError, UnsupportedFile
from xprism.readers.dicom_pixels import Layout, unpack, widen

LOSSLESS = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
]


@pytest.mark.parametrize(("bits", "signed"), [(8, False), (10, False), (12, False), (16, False), (16, True)])
@pytest.mark.parametrize("syntax", LOSSLESS, ids=lambda s: s.name)
def test_lossless_syntaxes_give_back_what_was_written(syntax, bits, signed, tmp_path):
    stored = films.gradient(bits=bits, signed=signed)
    read = xprism.read(films.write(tmp_path / "film", stored, bits=bits, syntax=syntax))
    assert read.stored.dtype == stored.dtype
    np.testing.assert_array_equal(read.stored, stored)
    np.testing.assert_array_equal(read.to_stored(read.display), stored)
    assert syntax.name in read.log[0]


def test_lossy_jpeg2000_is_close(tmp_path):
    stored = films.gradient(bits=12, shape=(256, 256))
    read = xprism.read(films.write(tmp_path / "f.dcm", stored, bits=12, syntax=uid.JPEG2000))
    error = np.abs(read.stored.astype(int) - stored)
    assert 0 < error.mean() < 40


def test_jpeg_baseline_agrees_with_pillow(tmp_path):
    stream = io.BytesIO()
    Image.fromarray(films.gradient(bits=8, shape=(64, 64))).save(stream, "JPEG", quality=90)
    dataset = films.film(films.gradient(bits=8, shape=(64, 64)), bits=8)
    dataset.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    read = xprism.read(films.save(films.put_frame(dataset, stream.getvalue()), tmp_path / "f.dcm"))
    np.testing.assert_array_equal(read.stored, np.asarray(Image.open(stream)))


def packed_by_gdcm(folder, stored, syntax):
    """A 12-bit film compressed by GDCM's own encoder."""
    import gdcm

    plain, packed = films.write(folder / "plain.dcm", stored, bits=12), folder / "packed.dcm"
    reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
    reader.SetFileName(str(plain))
    assert reader.Read()
    change.SetTransferSyntax(gdcm.TransferSyntax(getattr(gdcm.TransferSyntax, syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.SetFileName(str(packed))
    assert writer.Write()
    return packed


def test_jpeg_lossless_gives_back_what_was_written(tmp_path):
    stored = films.gradient(bits=12, shape=(64, 64))
    packed = packed_by_gdcm(tmp_path, stored, "JPEGLosslessProcess14_1")
    assert pydicom.dcmread(packed).file_meta.TransferSyntaxUID == uid.JPEGLosslessSV1
    np.testing.assert_array_equal(xprism.read(packed).stored, stored)


@pytest.mark.parametrize("spectral_end", [63, 0])
@pytest.mark.parametrize("bits", [10, 12])
def test_12_bit_jpeg_extended_agrees_with_its_closed_form(bits, spectral_end, tmp_path):
    blocks = np.random.default_rng(4).integers(0, 2**bits, (6, 9))
    blocks[0, 0], blocks[-1, -1] = 0, 2**bits - 1
    stored = np.kron(blocks, np.ones((8, 8), int)).astype(np.uint16)
    dataset = films.film(stored, bits=bits)
    dataset.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
    films.put_frame(dataset, films.jpeg_extended(blocks, spectral_end=spectral_end))
    read = xprism.read(films.save(dataset, tmp_path / "f.dcm"))
    np.testing.assert_array_equal(read.stored, stored)


def test_jpeg_extended_beyond_bits_stored_is_kept_and_not_wrapped_around(tmp_path):
    blocks = np.array([[0, 1023], [1030, 500]])
    dataset = films.film(np.zeros((16, 16), np.uint16), bits=10)
    dataset.file_meta.TransferSyntaxUID = uid.JPEGExtended12Bit
    read = xprism.read(films.save(films.put_frame(dataset, films.jpeg_extended(blocks)), tmp_path / "f.dcm"))
    np.testing.assert_array_equal(read.stored[::8, ::8], blocks)
    assert read.mapping.high == 1023
    assert read.display.max() > 1


@pytest.mark.parametrize("error", [1, 3])
def test_near_lossless_jpegls_stays_within_its_stated_error(error, tmp_path):
    stored = films.gradient(bits=12)
    dataset = films.film(stored, bits=12)
    dataset.compress(uid.JPEGLSNearLossless, jls_error=error, generate_instance_uid=False)
    read = xprism.read(films.save(dataset, tmp_path / "f.dcm"))
    assert 0 < np.abs(read.stored.astype(int) - stored).max() <= error


@pytest.mark.parametrize("syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian])
def test_file_without_preamble_and_meta_is_recognised(syntax, tmp_path):
    stored = films.gradient(bits=12)
    dataset = films.film(stored, bits=12, syntax=syntax)
    path = tmp_path / "00001"
    with path.open("wb") as stream:
        pydicom.dcmwrite(
            stream,
            pydicom.Dataset(dataset),
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
            enforce_file_format=False,
        )
    assert path.read_bytes()[128:132] != b"DICM"
    read = xprism.read(path)
    np.testing.assert_array_equal(read.stored, stored)
    assert any("no transfer syntax" in sentence for sentence in read.log)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_missing_transfer_syntax_of_compressed_film_is_guessed_from_its_code_stream(syntax, tmp_path):
    stored = films.gradient(bits=12)
    dataset = films.film(stored, bits=12, syntax=syntax)
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    read = xprism.read(films.save(dataset, tmp_path / "f.dcm"))
    np.testing.assert_array_equal(read.stored, stored)
    assert any("does not fit" in sentence for sentence in read.log)


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.RLELossless])
def test_overlay_bits_above_the_stored_bits_are_masked_and_logged(syntax, tmp_path):
    stored = films.gradient(bits=12)
    words = stored | np.uint16(0x8000) * (np.indices(stored.shape)[0] % 2).astype(np.uint16)
    read = xprism.read(films.write(tmp_path / "f.dcm", words, bits=12, syntax=syntax))
    np.testing.assert_array_equal(read.stored, stored)
    assert any("masked" in sentence for sentence in read.log)


@given(st.integers(2, 16), st.booleans(), st.data())
def test_unpacking_finds_the_stored_bits_wherever_they_lie(bits, signed, data):
    high_bit = data.draw(st.integers(bits - 1, 15))
    layout = Layout(1, 4, 16, bits, high_bit, signed)
    low, high = layout.ends
    wanted = data.draw(st.lists(st.integers(low, high), min_size=4, max_size=4))
    rubbish = data.draw(st.lists(st.integers(0, 65535), min_size=4, max_size=4))
    place = ((1 << bits) - 1) << (high_bit - bits + 1)
    words = [
        ((v << (high_bit - bits + 1)) & place) | (r & ~place & 0xFFFF) for v, r in zip(wanted, rubbish, strict=True)
    ]
    raw = np.array([words], np.uint16).view(np.int16 if signed else np.uint16)
    values, _, _ = unpack(raw, layout)
    assert values.tolist() == [wanted]


def test_decoded_values_far_beyond_bits_stored_widen_the_scale_and_slight_overshoot_does_not():
    layout = Layout(1, 2, 16, 10, 9, False)
    _, wider, notes = widen(np.array([[0, 4095]], np.uint16), layout)
    assert (wider.stored, wider.ends) == (12, (0, 4095))
    assert "too small" in notes[0]
    _, same, notes = widen(np.array([[0, 1030]], np.uint16), layout)
    assert same == layout
    assert "overshoots" in notes[0]


def test_truncated_native_pixels_are_refused_with_the_numbers(tmp_path):
    path = films.write(tmp_path / "f.dcm", films.gradient(bits=12), bits=12)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFile, match=r"3452 of 3552 bytes"):
        xprism.read(path)


@pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless, uid.JPEGLSLossless])
@pytest.mark.parametrize("kept", [0.5, 0.97])
def test_compressed_file_cut_short_is_refused(syntax, kept, tmp_path):
    path = films.write(tmp_path / "f.dcm", films.gradient(bits=12, shape=(128, 128)), bits=12, syntax=syntax)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(CorruptFile):
        xprism.read(path)


@pytest.mark.parametrize("syntax", [uid.JPEG2000Lossless, uid.JPEGLSLossless])
def test_code_stream_without_its_end_is_refused(syntax, tmp_path):
    dataset = films.film(films.gradient(bits=12, shape=(128, 128)), bits=12, syntax=syntax)
    frame = pydicom.encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
    dataset = films.put_frame(dataset, frame[: len(frame) // 2 // 2 * 2])
    with pytest.raises(CorruptFile, match="ends too early"):
        xprism.read(films.save(dataset, tmp_path / "f.dcm"))


def test_rubbish_instead_of_a_code_stream_is_refused(tmp_path):
    dataset = films.film(films.gradient(bits=12), bits=12, syntax=uid.JPEG2000Lossless)
    rubbish = np.random.default_rng(0).bytes(2000) + b"\xff\xd9"
    with pytest.raises(CorruptFile, match="cannot be decoded"):
        xprism.read(films.save(films.put_frame(dataset, rubbish), tmp_path / "f.dcm"))


@pytest.mark.parametrize(
    "syntax", [uid.ImplicitVRLittleEndian, uid.JPEG2000Lossless, uid.JPEGLSLossless, uid.RLELossless]
)
def test_flipped_bytes_are_read_or_refused_by_a_typed_error(syntax, tmp_path):
    path = films.write(tmp_path / "f.dcm", films.gradient(bits=12), bits=12, syntax=syntax)
    sound, random = np.frombuffer(path.read_bytes(), np.uint8), np.random.default_rng(11)
    refused = 0
    for _ in range(40):
        broken = sound.copy()
        broken[random.integers(132, len(sound), 6)] = random.integers(0, 256, 6)
        path.write_bytes(broken.tobytes())
        try:
            film = xprism.read(path)
        except ReadError:
            refused += 1
        else:
            assert film.stored.ndim == 2
    assert refused > 0


def test_unused_transfer_syntax_is_named(tmp_path):
    dataset = films.film(films.gradient(bits=8), bits=8, syntax=uid.JPEG2000Lossless)
    dataset.file_meta.TransferSyntaxUID = uid.MPEG2MPML
    dataset = films.put_frame(dataset, b"\0\0\1\xb3\xff\xd9")
    with pytest.raises(UnsupportedFile, match="MPEG2"):
        xprism.read(films.save(dataset, tmp_path / "f.dcm"))


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"BitsStored": 13, "HighBit": 20}, CorruptFile),
        ({"Rows": 0}, CorruptFile),
        ({"BitsAllocated": 32}, UnsupportedFile),
        ({"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, NotARadiograph),
    ],
)
def test_impossible_pixel_layouts_are_refused(tags, kind, tmp_path):
    with pytest.raises(kind):
        xprism.read(films.write(tmp_path / "f.dcm", films.gradient(bits=12), bits=12, **tags))


def test_sha256_source_and_origin_are_filled(tmp_path):
    import hashlib

    path: Path = films.write(tmp_path / "f.dcm", films.gradient(bits=12), bits=12)
    read = xprism.read(str(path))
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (read.source, read.origin) == (str(path), "dicom")
