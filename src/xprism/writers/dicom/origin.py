"""Where results come from and how they are told apart: the film, the model, and UIDs that follow from both."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from pydicom import dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from xprism import __version__
from xprism.result import Result
from xprism.writers.dicom.header import source_header
from xprism.writers.record import notice_of, options_sha256

MAKER = "xprism"
UNKNOWN_DAY = "19000101"
"""Stands where the standard demands a date and the film has none."""

SERIES = {"masks": 9001, "companion": 9002, "measurements": 9003, "overlay": 9004, "probabilities": 9005}
"""Series numbers of the kinds of result."""

_NAMESPACE = UUID("0f6f2f43-5d0b-5d3c-9c7e-6a1f8a3f4c11")
IMPLEMENTATION = f"2.25.{_NAMESPACE.int}"
"""Implementation class UID of what writes the files."""

_GEOMETRY = (
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "SliceThickness",
    "NumberOfFrames",
)
_NAMES = ("PatientName", "PatientID", "AccessionNumber", "StudyID", "ReferringPhysicianName")
_DAYS = ("Content", "Acquisition", "Series", "Study")


@dataclass(frozen=True)
class Origin:
    """A result, its film's header as it may be carried over, and what was left out of it."""

    result: Result
    header: Dataset
    notes: tuple[str, ...]

    @classmethod
    def of(cls, result: Result) -> Origin:
        """The origin of a result; raises ``OutputError`` where no DICOM object can follow from its film."""
        header, notes = source_header(result.radiograph)
        return cls(result, header, tuple(notes))

    @cached_property
    def key(self) -> str:
        """Hash of all that decides on the content of the results: film, model, options and version.

        Neither transfer syntax nor private attributes count, so that a film that took another way through
        the archives gives the same results under the same UIDs.
        """
        film, model = self.result.radiograph, self.result.model
        stream = BytesIO()
        dcmwrite(stream, self.header, implicit_vr=False, little_endian=True)
        digest = hashlib.sha256(stream.getvalue())
        digest.update(f"{film.stored.shape}{film.stored.dtype.str}".encode())
        digest.update(film.stored.tobytes())
        digest.update(f"{model.name}|{model.version}|{model.sha256}|{__version__}".encode())
        digest.update(options_sha256(self.result.options).encode())
        return digest.hexdigest()

    def uid(self, *what: str) -> str:
        """A UID that is always the same for the same film, model, options and thing."""
        return f"2.25.{uuid5(_NAMESPACE, '|'.join((self.key, *what))).int}"

    @cached_property
    def reference(self) -> Dataset:
        """The header for highdicom to refer to: a projection lies nowhere in the patient, whatever a file may say,
        and names are put in by ``settle``, so that no warning about an odd one shows it."""
        found = Dataset()
        found.update({element.tag: element for element in self.header})
        for keyword in _GEOMETRY:
            if keyword in found:
                delattr(found, keyword)
        rows, columns = self.result.radiograph.shape
        for keyword, value in {"Rows": rows, "Columns": columns, **dict.fromkeys(_NAMES)}.items():
            found[keyword] = DataElement(keyword, dictionary_VR(keyword), value)
        return found

    @property
    def day(self) -> tuple[str, str]:
        """Date and time of the film, which its results bear too: the same UID must mean the same content."""
        for name in _DAYS:
            day = self.header.get(f"{name}Date")
            if day:
                return str(day), str(self.header.get(f"{name}Time") or "000000")
        return UNKNOWN_DAY, "000000"

    @property
    def model_words(self) -> str:
        """Name and version of the model, for people."""
        return f"{plain(self.result.model.name)} {plain(self.result.model.version)}"

    @property
    def notice(self) -> str:
        """The sentence on permitted use."""
        return notice_of(self.result)

    def made(self, kind: str, what: str, *, words: str) -> dict[str, Any]:
        """The arguments that all of highdicom's objects take: series, instance and the device that made them."""
        model, (day, time) = self.result.model, self.day
        return {
            "series_instance_uid": self.uid(what, "series"),
            "series_number": SERIES[kind],
            "series_description": plain(f"{MAKER} {model.name}: {words}"),
            "sop_instance_uid": self.uid(what, "instance"),
            "instance_number": 1,
            "manufacturer": MAKER,
            "manufacturer_model_name": plain(model.name),
            "device_serial_number": model.sha256[:16] or "none",
            "software_versions": [plain(f"{MAKER} {__version__}"), plain(f"{model.name} {model.version}")],
            "content_date": day,
            "content_time": time,
            "specific_character_set": None,
        }

    def settle(self, made: Dataset) -> None:
        """Make an object the same at every run, and file it exactly where its film is filed."""
        for keyword in ("InstanceCreationDate", "InstanceCreationTime"):
            if keyword in made:
                delattr(made, keyword)
        for item in made.get("ContributingEquipmentSequence", ()):
            if "ContributionDateTime" in item:
                del item.ContributionDateTime
        for keyword in ("SpecificCharacterSet", *_NAMES, "StudyInstanceUID"):
            if keyword in self.header:
                made[keyword] = self.header[keyword]


def plain(text: str) -> str:
    """Words that any character set can hold and any viewer shows: ASCII, at most 64 letters, no backslash."""
    kept = "".join(letter if 32 <= ord(letter) < 127 and letter != "\\" else "?" for letter in text)
    return kept.strip()[:64].strip() or "?"


def write(made: Dataset, path: Path) -> None:
    """Write an object as a DICOM file."""
    made.file_meta.ImplementationClassUID = UID(IMPLEMENTATION)
    made.file_meta.ImplementationVersionName = f"XPRISM {__version__}"[:16]
    dcmwrite(path, made, enforce_file_format=True)
