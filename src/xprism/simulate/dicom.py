"""A simulated film as a DICOM object: Digital X-Ray Image for presentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from xprism.simulate.phantom import ChestCase

BITS = 12
_DAY, _TIME = "20000101", "120000"


def dicom_of(case: ChestCase, display: NDArray[Any], *, name: str, picture: str) -> FileDataset:
    """A DX dataset (MONOCHROME2, 12 bits) of display values [H, W] in [0, 1].

    ``name`` identifies the simulated subject and ``picture`` what is shown of it; the UIDs follow from
    both, so that the same case always gets the same ones. The header names nobody.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name, picture, "instance"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    found.SOPClassUID, found.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    _identity(found, case, name=name, picture=picture)
    _acquisition(found, case)
    _pixels(found, display)
    return found


def write_dicom(case: ChestCase, display: NDArray[Any], path: Path, *, name: str, picture: str) -> None:
    """Write display values [H, W] of a case as a DX file."""
    dicom_of(case, display, name=name, picture=picture).save_as(path, enforce_file_format=True)


def _identity(found: Dataset, case: ChestCase, *, name: str, picture: str) -> None:
    found.PatientName, found.PatientID = f"Phantom^{name}", name
    found.PatientBirthDate, found.PatientSex = "", case.parameters.build.sex[0].upper()
    found.StudyInstanceUID = generate_uid(entropy_srcs=[name, "study"])
    found.SeriesInstanceUID = generate_uid(entropy_srcs=[name, picture, "series"])
    found.StudyDate = found.ContentDate = found.AcquisitionDate = _DAY
    found.StudyTime = found.ContentTime = found.AcquisitionTime = _TIME
    found.StudyID, found.AccessionNumber, found.ReferringPhysicianName = "1", "", ""
    found.SeriesNumber, found.InstanceNumber = 1 if picture == "film" else 2, 1
    found.Modality, found.Manufacturer = "DX", "xprism (simulated)"
    found.StudyDescription, found.SeriesDescription = "Simulated chest radiograph", picture
    found.ImageType = ["DERIVED", "PRIMARY"]
    found.DerivationDescription = "Analytic phantom, no patient"
    found.PresentationIntentType = "FOR PRESENTATION"


def _acquisition(found: Dataset, case: ChestCase) -> None:
    found.BodyPartExamined, found.ViewPosition = "CHEST", "PA"
    found.PatientOrientation, found.ImageLaterality = ["L", "F"], "B"
    found.AnatomicRegionSequence = Sequence([_code("816094009", "Chest")])
    view = _code("272479007", "postero-anterior")
    view.ViewModifierCodeSequence = Sequence()
    found.ViewCodeSequence = Sequence([view])
    found.PositionerType = ""
    found.DetectorType, found.AcquisitionContextSequence = "DIRECT", Sequence()
    spacing, magnification = case.spacing_mm, case.parameters.pose.magnification
    found.ImagerPixelSpacing = [f"{spacing:.6f}"] * 2
    found.EstimatedRadiographicMagnificationFactor = f"{magnification:.6f}"
    found.PixelSpacing = [f"{spacing / magnification:.6f}"] * 2
    found.PixelSpacingCalibrationType = "GEOMETRY"
    found.PixelSpacingCalibrationDescription = "Mid-plane of the phantom"


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "SCT", meaning
    return code


def _pixels(found: Dataset, display: NDArray[Any]) -> None:
    top = (1 << BITS) - 1
    stored = np.rint(np.clip(display, 0, 1) * top).astype("<u2")
    found.Rows, found.Columns = stored.shape
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 16, BITS, BITS - 1, 0
    found.PixelIntensityRelationship, found.PixelIntensityRelationshipSign = "LOG", -1
    found.RescaleIntercept, found.RescaleSlope, found.RescaleType = "0", "1", "US"
    found.PresentationLUTShape, found.BurnedInAnnotation = "IDENTITY", "NO"
    found.LossyImageCompression = "00"
    low, high = (float(v) for v in np.percentile(stored, (0.5, 99.5)))
    found.WindowCenter, found.WindowWidth = f"{(low + high) / 2:.1f}", f"{max(high - low, 1):.1f}"
    found.PixelData = stored.tobytes()
