"""The segments before the first scan: one scan or several, EXIF or none, and a file that is not understood."""

import io
import time
from typing import Any

import numpy as np
import pytest
from PIL import Image

from service.engine.decode import ImageLimits, decode
from service.engine.jpeg_markers import JpegMarkers, read_markers
from service.errors import ImageUnreadable
from service.models.manifest import PixelFormat

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8))
SCAN = b"\xff\xda"
NOT_UNDERSTOOD = JpegMarkers(one_scan=False, exif=False)
XMP = (
    b"http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta xmlns:x='adobe:ns:meta/'>"
    b"<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description"
    b" xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'/></rdf:RDF></x:xmpmeta>"
)
"""Says in words of its own how the camera was held."""


def encoded(mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    NOISE.convert(mode).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def changed(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_plain_file_has_one_scan_and_no_exif(mode: str) -> None:
    """What most writers leave, with tables, restart markers and a comment."""
    for options in ({}, {"restart_marker_rows": 1}, {"optimize": True}, {"comment": b"Exif\x00\x00, so to speak"}):
        assert read_markers(encoded(mode, **options)) == JpegMarkers(one_scan=True, exif=False)


def test_a_progressive_file_has_several_scans() -> None:
    """Also where the first one holds every component."""
    assert not read_markers(encoded(progressive=True)).one_scan


def test_a_scan_of_some_components_is_not_the_whole_picture() -> None:
    """Sequential frames may have a scan for each component."""
    data = encoded()
    assert not read_markers(changed(data, data.index(SCAN) + 4, 1)).one_scan


def test_exif_is_found_wherever_it_stands() -> None:
    """Behind a large colour profile too, where it counts as in front."""
    plain = decode(encoded(), pixel_format=PixelFormat.RGB8, limits=ImageLimits())
    behind = encoded(exif=turned())
    begin = behind.index(b"\xff\xe1")
    end = begin + 2 + int.from_bytes(behind[begin + 2 : begin + 4])
    profile = b"\xff\xe2\xff\xff" + bytes(65_533)
    behind = behind[:begin] + profile * 3 + behind[begin:end] + behind[end:]
    for data in (encoded(exif=turned()), behind):
        assert read_markers(data) == JpegMarkers(one_scan=True, exif=True)
        pixels = decode(data, pixel_format=PixelFormat.RGB8, limits=ImageLimits())
        assert np.array_equal(pixels, np.rot90(plain, k=-1))


def test_a_file_that_is_cut_short_is_not_understood() -> None:
    """At every length before the first scan, without an error."""
    data = encoded(exif=turned())
    for length in range(data.index(SCAN) + 4):
        markers = read_markers(data[:length])
        assert markers == JpegMarkers(one_scan=False, exif=b"Exif\0\0" in data[:length])


@pytest.mark.parametrize("fill", [b"", b"\xff"])
def test_only_exif_turns_a_picture(fill: bytes) -> None:
    """Not what XMP says, whether or not the file is understood."""
    data = encoded()
    segment = b"\xff\xe1" + (len(XMP) + 2).to_bytes(2) + XMP
    with_xmp = data[:2] + fill + segment + data[2:]
    assert not read_markers(with_xmp).exif
    plain = decode(data, pixel_format=PixelFormat.RGB8, limits=ImageLimits())
    assert np.array_equal(decode(with_xmp, pixel_format=PixelFormat.RGB8, limits=ImageLimits()), plain)
    begin = (turned_data := encoded(exif=turned()))[:2] + fill + turned_data[2:]
    assert np.array_equal(decode(begin, pixel_format=PixelFormat.RGB8, limits=ImageLimits()), np.rot90(plain, k=-1))


@pytest.mark.parametrize("marker", [0x00, 0x01, 0xC3, 0xC9, 0xCC, 0xD0, 0xD8, 0xD9, 0xFF])
def test_a_marker_that_only_a_decoder_understands_ends_the_walk(marker: int) -> None:
    """Other kinds of frame, markers without a length, bytes that fill."""
    data = encoded()
    assert read_markers(changed(data, 3, marker)) == NOT_UNDERSTOOD


@pytest.mark.parametrize("length", [0, 1])
def test_a_segment_shorter_than_its_length_ends_the_walk(length: int) -> None:
    """Else it would be walked through for ever, or from its middle."""
    assert read_markers(b"\xff\xd8\xff\xe0" + length.to_bytes(2) + bytes(100)) == NOT_UNDERSTOOD


def test_scans_after_the_only_one_cost_nothing() -> None:
    """Nobody decodes them, be they ever so many. Inside of the picture they break it; behind it they are nothing."""
    data = encoded()
    again = data[data.index(SCAN) : -2]
    expected = decode(data, pixel_format=PixelFormat.RGB8, limits=ImageLimits())
    began = time.process_time()
    with pytest.raises(ImageUnreadable):
        decode(data[:-2] + again * 5000 + data[-2:], pixel_format=PixelFormat.RGB8, limits=ImageLimits())
    pixels = decode(data + again * 5000, pixel_format=PixelFormat.RGB8, limits=ImageLimits())
    assert np.array_equal(pixels, expected)
    assert time.process_time() - began < 0.5
