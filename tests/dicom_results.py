"""Films with complete headers, results of made-up models, and the validators that judge DICOM files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

import tiny_models
import xprism
from xprism.inference.predictor import Predictor
from xprism.result import Result
from xprism.targets import Layer, Lesions, TargetSet
from xprism.writers.folder import write_result

ALL_KINDS = ("dicom", "dicom-labelled", "dicom-probabilities")
USUAL_FILES = ("masks.dcm", "bone_suppressed.dcm", "measurements.dcm", "overlay.dcm")
ALL_FILES = (*USUAL_FILES, "bone_suppressed_labelled.dcm", "probabilities.dcm")
CR, DX, SC = "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.7"

_IDENTITY = {
    "StudyInstanceUID": "1.2.826.0.1.3680043.10.1.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.10.1.2",
    "PatientName": "Phantom^Paula",
    "PatientID": "P-17",
    "PatientBirthDate": "19500102",
    "PatientSex": "F",
    "StudyDate": "20240229",
    "StudyTime": "101500",
    "ReferringPhysicianName": "Doctor^Dora",
    "StudyID": "S1",
    "AccessionNumber": "A1",
    "SeriesNumber": 1,
    "InstanceNumber": 1,
    "Manufacturer": "Maker",
}
_KINDS: dict[str, dict[str, Any]] = {
    CR: {"Modality": "CR", "BodyPartExamined": "CHEST", "ViewPosition": "PA", "PatientOrientation": ["L", "F"]},
    SC: {"Modality": "OT", "ConversionType": "DF", "PatientOrientation": ["L", "F"], "BodyPartExamined": "CHEST"},
    DX: {
        "Modality": "DX",
        "PresentationIntentType": "FOR PRESENTATION",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PatientOrientation": ["L", "F"],
        "ImageLaterality": "U",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "DetectorType": "DIRECT",
        "ImagerPixelSpacing": ["0.2", "0.2"],
        "PixelIntensityRelationship": "LOG",
        "PixelIntensityRelationshipSign": -1,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "RescaleType": "US",
        "PresentationLUTShape": "IDENTITY",
        "BurnedInAnnotation": "NO",
        "LossyImageCompression": "00",
        "WindowCenter": "128",
        "WindowWidth": "256",
    },
}


def film_dataset(stored: NDArray[Any], *, bits: int | None = None, sop_class: str = CR, **tags: Any) -> FileDataset:
    """A film that dciodvfy finds nothing wrong with.

    Keywords set attributes, to bytes exactly as they are to stand in the file, or leave them out when None.
    """
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, "1.2.826.0.1.3680043.10.1.3"
    if sop_class == DX:
        made.AcquisitionContextSequence = []
        made.AnatomicRegionSequence, made.ViewCodeSequence = [code("816094009", "Chest")], [code("272479007", "PA")]
        made.ViewCodeSequence[0].ViewModifierCodeSequence = []
        made.PositionerType = ""
    for keyword, value in {**_IDENTITY, **_KINDS.get(sop_class, {})}.items():
        setattr(made, keyword, value)
    bits = bits or 8 * stored.itemsize
    made.Rows, made.Columns, made.SamplesPerPixel = *stored.shape, 1
    made.PhotometricInterpretation = "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit = 8 * stored.itemsize, bits, bits - 1
    made.PixelRepresentation = int(stored.dtype.kind == "i")
    pixels = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    made.PixelData = pixels + b"\0" * (len(pixels) % 2)
    made["PixelData"].VR = "OW" if stored.itemsize == 2 else "OB"
    for keyword, value in tags.items():
        if value is None:
            delattr(made, keyword)
        elif isinstance(value, bytes):
            made[keyword] = raw(keyword, value)
        else:
            setattr(made, keyword, value)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    if any(isinstance(value, bytes) for value in tags.values()):
        made.set_original_encoding(False, True, made._character_set)  # raw values are written as they stand
    return made


def raw(keyword: str, value: bytes) -> RawDataElement:
    """An attribute whose value pydicom does not look at."""
    tag = Tag(keyword)
    return RawDataElement(tag, dictionary_VR(tag), len(value), value, 0, False, True)


def code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item


def write_film(path: Path, stored: NDArray[Any], **options: Any) -> Path:
    film_dataset(stored, **options).save_as(path, enforce_file_format=True)
    return path


def chest(shape: tuple[int, int] = (96, 80), *, bits: int = 12, seed: int = 0) -> NDArray[np.uint16]:
    """Stored values of something like a chest."""
    drawn = tiny_models.drawn_film(shape=shape, seed=seed).astype(np.uint32)
    return ((drawn * (2**bits - 1)) // 255).astype(np.uint16)


def layer_model(folder: Path, *, strength: float = 0.2) -> Predictor:
    """A model that takes slanting stripes off any film."""
    rows, columns = np.mgrid[:32, :32]
    planes = np.where((rows + columns) % 9 < 3, strength, -strength / 4).astype(np.float32)[None]
    targets = TargetSet(targets=(Layer(name="bones", leaves="bone_suppressed"),))
    return Predictor.load(tiny_models.write_model(folder, planes, targets, gate="none", film_weight=0.0))


def full_model(folder: Path) -> Predictor:
    """A model for chests that finds organs and two nodules, and takes stripes off."""
    rows, columns = np.mgrid[:64, :64]
    stripes = np.where((rows + columns) % 9 < 3, 0.2, -0.05).astype(np.float32)
    spots = np.maximum(tiny_models.ellipse(64, 0.4, 0.3, 0.05, 0.06), tiny_models.ellipse(64, 0.6, 0.7, 0.06, 0.05))
    planes = np.concatenate([tiny_models.organ_planes(64), stripes[None], spots[None]])
    organs = tiny_models.organ_targets().targets
    targets = TargetSet(
        targets=(*organs, Layer(name="bones", leaves="bone_suppressed"), Lesions(name="nodules", label="nodule"))
    )
    return Predictor.load(tiny_models.write_model(folder, planes, targets, film_weight=0.0))


def predicted(model: Predictor, film: Path) -> Result:
    return model(xprism.read(film), force=True)


def written(result: Result, folder: Path, *kinds: str) -> Path:
    return write_result(result, folder, to=kinds or ("dicom",))


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.dcm") if path.is_file())


def need(*programs: str) -> None:
    """Skip the test where a validator is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt install dicom3tools dcmtk")


def errors_of(path: Path) -> list[str]:
    """What dciodvfy calls an error, each once."""
    done = subprocess.run(["dciodvfy", str(path)], capture_output=True, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    return sorted({line for line in lines if "Error" in line or line.startswith("Abort")})


def dcmtk_complaints(path: Path) -> list[str]:
    """What DCMTK says against a file when it parses it, and the document tree of a report."""
    programs = ["dcmdump", *(["dsrdump"] if path.name == "measurements.dcm" else [])]
    said = []
    for program in programs:
        done = subprocess.run([program, str(path)], capture_output=True, check=False)
        said += done.stderr.decode("utf-8", "replace").splitlines()
        if done.returncode:
            said.append(f"{program} ended with {done.returncode}")
    return said
