"""DICOM films made for tests: a smooth synthetic film in any transfer syntax, without patient data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite, uid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

DX_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def gradient(*, bits: int = 12, signed: bool = False, shape: tuple[int, int] = (48, 37)) -> NDArray[Any]:
    """Every part of the range of ``bits`` with some texture, ends included."""
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    ramp = np.linspace(low, high, shape[0] * shape[1]).reshape(shape)
    texture = np.random.default_rng(7).normal(0, (high - low) / 50, shape)
    values = np.clip(np.rint(ramp + texture), low, high)
    values[0, 0], values[-1, -1] = low, high
    return values.astype(f"{'i' if signed else 'u'}{1 if bits <= 8 else 2}")


def film(stored: NDArray[Any], *, bits: int, syntax: str = uid.ExplicitVRLittleEndian, **tags: Any) -> Dataset:
    """A DX data set around stored values; keywords set or, when None, remove header elements."""
    dataset = FileDataset(None, {}, preamble=b"\0" * 128)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.UID(syntax)
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = DX_FOR_PRESENTATION
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.1"
    dataset.Modality, dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "DX", "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = stored.itemsize * 8, bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    _put_pixels(dataset, stored, uid.UID(syntax))
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    # Implicit and endianness are given, for pydicom takes a new data set to be little-endian.
    syntax = dataset.file_meta.TransferSyntaxUID
    order = {"implicit_vr": False, "little_endian": False} if syntax == uid.ExplicitVRBigEndian else {}
    dcmwrite(path, dataset, enforce_file_format=True, **order)
    return path


def write(
    path: Path, stored: NDArray[Any], *, bits: int, syntax: str = uid.ExplicitVRLittleEndian, **tags: Any
) -> Path:
    return save(film(stored, bits=bits, syntax=syntax, **tags), path)


def _put_pixels(dataset: Dataset, stored: NDArray[Any], syntax: uid.UID) -> None:
    if syntax in (uid.JPEG2000Lossless, uid.JPEG2000):
        from openjpeg.utils import encode_array

        ratios = {} if syntax == uid.JPEG2000Lossless else {"compression_ratios": [4]}
        _encapsulate(dataset, encode_array(stored, bits_stored=dataset.BitsStored, **ratios))
    elif syntax in (uid.RLELossless, uid.JPEGLSLossless):
        dataset.PixelData = stored.tobytes()
        dataset["PixelData"].VR = "OW"
        dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
        dataset.compress(syntax, generate_instance_uid=False)
    else:
        dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<" if syntax.is_little_endian else ">")).tobytes()
        dataset["PixelData"].VR = "OW" if stored.itemsize == 2 else "OB"


def _encapsulate(dataset: Dataset, frame: bytes) -> None:
    dataset.PixelData = encapsulate([frame])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def put_frame(dataset: Dataset, frame: bytes) -> Dataset:
    """Replace the pixels by one compressed frame."""
    _encapsulate(dataset, frame)
    return dataset


def jpeg_extended(blocks: NDArray[Any], *, spectral_end: int = 63) -> bytes:
    """A 12-bit JPEG extended stream whose 8 x 8 blocks are flat with exactly the given values.

    Only DC coefficients are coded: with a quantiser of 8, the pixel is DC + 2048 in closed form.
    """
    bits, before = "", 0
    for level in (int(v) - 2048 for v in blocks.ravel()):
        step, before = level - before, level
        size = abs(step).bit_length()
        code = step if step > 0 else step + 2**size - 1
        bits += f"{size:04b}" + (f"{code:0{size}b}" if size else "") + "0"  # then: end of block
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    rows, columns = (8 * n for n in blocks.shape)
    frame = bytes([12]) + rows.to_bytes(2, "big") + columns.to_bytes(2, "big") + bytes([1, 1, 0x11, 0])
    dc_table = bytes([0x00, 0, 0, 0, 13] + [0] * 12 + list(range(13)))
    ac_table = bytes([0x10, 1] + [0] * 15 + [0])
    segments = [(0xDB, bytes([0] + [8] * 64)), (0xC1, frame), (0xC4, dc_table), (0xC4, ac_table)]
    segments.append((0xDA, bytes([1, 1, 0x00, 0, spectral_end, 0])))
    head = b"".join(bytes([0xFF, m]) + (len(d) + 2).to_bytes(2, "big") + d for m, d in segments)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"
