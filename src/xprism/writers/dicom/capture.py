"""The overlay as a colour secondary capture, for viewers that show nothing else."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage
from pydicom.valuerep import DA, TM

from xprism.writers.dicom.companion import source_item
from xprism.writers.dicom.header import fill
from xprism.writers.dicom.origin import MAKER, Origin


def capture(origin: Origin, picture: NDArray[np.uint8]) -> Dataset:
    """A picture [H, W, 3] for looking at, without spacing: it was shrunk and has a legend below."""
    header = origin.header
    arguments = origin.made("overlay", "overlay", words="overlay")
    for absent in ("content_date", "content_time"):
        del arguments[absent]
    made = hd.SOPClass(
        study_instance_uid=header.StudyInstanceUID,
        sop_class_uid=SecondaryCaptureImageStorage,
        modality="OT",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **arguments,
    )
    made.copy_patient_and_study_information(origin.reference)
    day, time = origin.day
    made.ContentDate, made.ContentTime = DA(day), TM(time)
    made.ConversionType = "WSD"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.SourceImageSequence = [source_item(header, aligned=False)]
    made.DerivationDescription = f"Overlay of {MAKER}, model {origin.model_words}. {origin.notice}"[:1024]
    if "BurnedInAnnotation" in header:
        made.BurnedInAnnotation = header.BurnedInAnnotation
    fill(made, ("PatientOrientation", "Laterality"))
    _put_pixels(made, picture)
    origin.settle(made)
    return made


def _put_pixels(made: Dataset, picture: NDArray[np.uint8]) -> None:
    made.Rows, made.Columns, made.SamplesPerPixel = picture.shape
    made.PhotometricInterpretation, made.PlanarConfiguration = "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    values = picture.tobytes()
    made.PixelData = values + b"\0" * (len(values) % 2)
    made["PixelData"].VR = "OB"
