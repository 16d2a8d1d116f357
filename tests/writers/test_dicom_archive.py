"""Results in a real archive: an Orthanc on loopback takes them in, finds them and gives them back bit by bit."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

pytest.importorskip("highdicom", reason="needs the extra 'dicom'")
web = pytest.importorskip("dicomweb_client", reason="needs dicomweb-client, of the extra 'dev'")

import dicom_results as dr  # noqa: E402  after the packages that it would be skipped for

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
SECONDS = 120


@dataclass(frozen=True)
class Archive:
    """A running Orthanc: ``url`` of its own interface, ``port`` of its DICOM one."""

    url: str
    port: int

    @property
    def client(self) -> web.DICOMwebClient:
        return web.DICOMwebClient(f"{self.url}/dicom-web")

    def c_store(self, *paths: Path, propose: str = "-xe") -> None:
        # -R: only what these files need; storescu's own list of SOP classes has no segmentations.
        command = ["storescu", "-R", propose, "-aec", "ORTHANC", "127.0.0.1", str(self.port), *map(str, paths)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def file_of(self, instance: str) -> bytes:
        """The file that lies in the archive, by SOP instance UID."""
        request = urllib.request.Request(f"{self.url}/tools/lookup", data=instance.encode())
        with urllib.request.urlopen(request) as answer:
            (found,) = json.load(answer)
        with urllib.request.urlopen(f"{self.url}/instances/{found['ID']}/file") as answer:
            content: bytes = answer.read()
        return content


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin:/usr/local/sbin")
    if program is None or not PLUGIN.exists() or shutil.which("storescu") is None:
        pytest.skip("needs Orthanc: apt install orthanc orthanc-dicomweb dcmtk")
    folder = tmp_path_factory.mktemp("orthanc")
    http, dicom = free_port(), free_port()
    settings = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "store"),
        "Plugins": [str(PLUGIN)],
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ORTHANC",
        "DicomCheckCalledAet": False,
        "DicomAlwaysAllowStore": True,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "OverwriteInstances": True,
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([program, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{http}/system", process, folder / "log")
        yield Archive(f"http://127.0.0.1:{http}", dicom)
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    pytest.fail(f"Orthanc did not start: {log.read_text()[-2000:]}")


def predict(film: Path, out: Path, model: Path) -> list[Path]:
    """What a user's command writes beside a film."""
    words = ["predict", film, "-o", out, "--model", model, "--to", ",".join(dr.ALL_KINDS), "--force", "--overwrite"]
    command = [sys.executable, "-c", "from xprism.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dr.objects(out / film.name)


def references(one: Dataset) -> set[str]:
    found = {str(one.ReferencedSOPInstanceUID)} if "ReferencedSOPInstanceUID" in one else set()
    for element in one:
        if element.VR == "SQ":
            found = found.union(*(references(item) for item in element.value))
    return found


@pytest.mark.parametrize("kind", ["generated", "real"])
def test_results_are_stored_found_and_read_back_as_they_were(
    archive: Archive, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    if kind == "real":
        film = request.getfixturevalue("shared_data") / "dicom" / "radiographs" / "chest_cr_mono1_15bit_j2ki.dcm"
    else:
        film = dr.write_film(tmp_path / "film.dcm", dr.chest((181, 167)), bits=12, PixelSpacing=["0.4", "0.4"])
    dr.full_model(tmp_path / "model")
    archive.c_store(film, propose="-xw" if kind == "real" else "-xe")  # JPEG 2000 as it is, or explicit little endian
    study = str(dcmread(film, stop_before_pixels=True).StudyInstanceUID)
    paths = predict(film, tmp_path / "out", tmp_path / "model")
    assert [path.name for path in paths] == sorted(dr.ALL_FILES)
    by_web, by_c_store = paths[::2], paths[1::2]
    archive.client.store_instances([dcmread(path) for path in by_web])
    archive.c_store(*by_c_store)

    found = {path: dcmread(path) for path in paths}
    series = archive.client.search_for_series(study)
    said = {one["0020000E"]["Value"][0]: one["00080060"]["Value"][0] for one in series}
    expected = {str(one.SeriesInstanceUID): str(one.Modality) for one in found.values()}
    assert said.items() >= expected.items()
    assert len(said) == len(paths) + 1  # the film's own series
    (segmentations,) = ([one for one in series if one["00080060"]["Value"] == ["SEG"]],)
    assert len(segmentations) == 2
    (patients,) = archive.client.search_for_studies(search_filters={"StudyInstanceUID": study})
    assert patients["00100020"]["Value"] == [str(found[paths[0]].PatientID)]

    held = {one["00080018"]["Value"][0] for one in archive.client.search_for_instances(study)}
    for path, one in found.items():
        instance = str(one.SOPInstanceUID)
        read = archive.client.retrieve_instance(study, str(one.SeriesInstanceUID), instance)
        assert read == one, path.name
        assert read.get("PixelData") == one.get("PixelData"), path.name
        if path in by_web:
            assert archive.file_of(instance) == path.read_bytes(), path.name
        assert references(one), path.name
        assert references(one) - film_references(film) <= held, path.name


def film_references(film: Path) -> set[str]:
    """What the film itself refers to, which derived images carry over; it need not be in the archive."""
    return references(dcmread(film, stop_before_pixels=True))


def test_sending_results_of_a_second_run_changes_nothing(archive: Archive, tmp_path: Path) -> None:
    study, series, instance = (f"1.2.826.0.1.3680043.10.2.{number}" for number in range(3))
    uids = {"StudyInstanceUID": study, "SeriesInstanceUID": series, "SOPInstanceUID": instance}
    film = dr.write_film(tmp_path / "film.dcm", dr.chest((90, 70)), bits=12, **uids)
    dr.full_model(tmp_path / "model")
    held = []
    for _ in range(2):  # the archive is set to take what comes last
        archive.c_store(film, *predict(film, tmp_path / "out", tmp_path / "model"))
        names = [one["00080018"]["Value"][0] for one in archive.client.search_for_instances(study)]
        held.append({name: archive.file_of(name) for name in names})
    assert len(held[0]) == 1 + len(dr.ALL_FILES)
    assert held[0] == held[1]
