"""The decoding process: a film that crashes, stalls or swells costs that film only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
import zlib
from concurrent.futures import ThreadPoolExecutor

import dicom_films as films
import numpy as np
import pydicom
import pytest
from pydicom import uid

import xprism
from xprism.errors import DecodeLimit, ReadError
from xprism.readers import decoder as decoder_module
from xprism.readers.decoder import DECODER, Decoder

STORED = films.gradient(bits=12)
_START = "import sys; from xprism.readers import wire; i, o = sys.stdin.buffer.raw, sys.stdout.buffer; "
_START += "wire.send(o, {'ready': True}); wire.receive(i); "


@pytest.fixture
def film(tmp_path):
    return films.write(tmp_path / "film.dcm", STORED, bits=12)


def program(monkeypatch, then):
    monkeypatch.setattr(decoder_module, "_PROGRAM", f"import sys; sys.path += sys.argv[1:]; {_START}{then}")
    return Decoder()


def test_process_is_kept_between_films_and_restarted_when_killed(film):
    xprism.read(film)
    first = DECODER._process.pid
    xprism.read(film)
    assert DECODER._process.pid == first
    os.kill(first, signal.SIGKILL)
    DECODER._process.wait()
    np.testing.assert_array_equal(xprism.read(film).stored, STORED)
    assert DECODER._process.pid != first


def test_crash_is_a_typed_error_and_the_next_film_is_read(film, monkeypatch):
    with monkeypatch.context() as patch:
        crashing = program(patch, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
        with pytest.raises(DecodeLimit, match="crashed"):
            crashing.read(film)
    assert crashing.read(film)[0]["shape"] == list(STORED.shape)
    crashing.stop()


def test_stall_is_ended_within_the_time_limit(film, monkeypatch):
    monkeypatch.setattr(decoder_module, "LEAST_SECONDS", 0.5)
    stalling = program(monkeypatch, "import time; time.sleep(60)")
    began = time.monotonic()
    with pytest.raises(DecodeLimit, match="took more than"):
        stalling.read(film)
    assert time.monotonic() - began < 3
    assert stalling._process is None


def test_interrupted_film_does_not_answer_for_the_next_one(tmp_path, film, monkeypatch):
    other = films.write(tmp_path / "other.dcm", films.gradient(bits=8), bits=8)
    with monkeypatch.context() as patch:
        patch.setattr(decoder_module, "receive", _interrupt)
        xprism_decoder = Decoder()
        xprism_decoder._process = decoder_module._start()
        with pytest.raises(KeyboardInterrupt):
            xprism_decoder.read(other)
    assert xprism_decoder.read(film)[0]["facts"]["high"] == 4095
    xprism_decoder.stop()


def _interrupt(stream):
    raise KeyboardInterrupt


def test_process_that_cannot_start_is_a_typed_error(film, monkeypatch):
    monkeypatch.setattr(decoder_module, "_PROGRAM", "raise SystemExit(1)")
    with pytest.raises(ReadError, match="did not start"):
        Decoder().read(film)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory limits hold on Linux")
def test_deflate_bomb_is_refused_within_time_and_memory(tmp_path, film):
    dataset = films.film(STORED, bits=12)
    del dataset.PixelData
    path = films.save(dataset, tmp_path / "bomb.dcm")
    head_length = path.read_bytes().find(b"\x08\x00\x16\x00")  # first element after the file meta group
    content = path.read_bytes()
    meta = pydicom.dcmread(path, stop_before_pixels=True).file_meta
    assert meta.TransferSyntaxUID == uid.ExplicitVRLittleEndian
    old, new = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99"
    at = content.find(old) - 2
    length_at = content.find(b"UL\x04\x00") + 4
    group = int.from_bytes(content[length_at : length_at + 4], "little") + len(new) - len(old)
    head = content[:length_at] + group.to_bytes(4, "little") + content[length_at + 4 : at]
    head += len(new).to_bytes(2, "little") + new + content[at + 2 + len(old) : head_length]
    size = 700 * 2**20
    pixel_head = b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little")
    packer = zlib.compressobj(9, wbits=-15)
    body = packer.compress(content[head_length:] + pixel_head)
    zeros = bytes(2**20)
    body += b"".join(packer.compress(zeros) for _ in range(700)) + packer.flush()
    path.write_bytes(head + body)
    assert path.stat().st_size < 2**20
    began = time.monotonic()
    with pytest.raises(DecodeLimit):
        xprism.read(path)
    assert time.monotonic() - began < 5
    np.testing.assert_array_equal(xprism.read(film).stored, STORED)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_memory_limit_is_set_on_the_process(film):
    xprism.read(film)
    with open(f"/proc/{DECODER._process.pid}/limits") as limits:
        line = next(line for line in limits if line.startswith("Max data size"))
    assert int(line.split()[3]) <= 512 * 2**20


def test_header_that_claims_a_huge_film_is_refused(tmp_path):
    path = films.write(tmp_path / "huge.dcm", STORED, bits=12, Rows=65535, Columns=65535)
    with pytest.raises(DecodeLimit, match="million"):
        xprism.read(path)


def test_many_threads_share_the_process(tmp_path):
    pictures = [films.gradient(bits=12, shape=(40 + k, 50)) for k in range(12)]
    paths = [films.write(tmp_path / f"{k}.dcm", p, bits=12, syntax=uid.RLELossless) for k, p in enumerate(pictures)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(xprism.read, paths * 3))
    for read, wanted in zip(found, pictures * 3, strict=True):
        np.testing.assert_array_equal(read.stored, wanted)


def test_script_without_main_guard_and_with_misleading_modules_beside_it_reads_and_ends(tmp_path, film):
    (tmp_path / "pydicom.py").write_text("raise RuntimeError('the wrong pydicom')")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        textwrap.dedent(f"""
        import sys, xprism
        film = xprism.read({str(film)!r})
        assert "pydicom" not in sys.modules
        sys.stdout.write(repr(film.shape))
        """)
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.stdout == "(48, 37)", done.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_forked_child_starts_a_process_of_its_own(film):
    xprism.read(film)
    parents = DECODER._process.pid
    child = os.fork()
    if child == 0:
        code = 1
        try:
            xprism.read(film)
            code = 0 if DECODER._process.pid != parents else 2
            DECODER.stop()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    np.testing.assert_array_equal(xprism.read(film).stored, STORED)
    assert DECODER._process.pid == parents
