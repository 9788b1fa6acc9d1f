import sys

import pytest

from tidelock.protocol import compression
from tidelock.protocol.compression import CompressionUnavailable
from tidelock.protocol.error_codes import CorruptMessage, UnsupportedCompressionType

CODECS = sorted(set(compression.NAMES) - {compression.NONE})
SAMPLES = [b"", b"a", bytes(range(256)) * 1000, b"abc" * 100_000]


@pytest.mark.parametrize("codec", CODECS, ids=compression.NAMES.get)
@pytest.mark.parametrize("data", SAMPLES, ids=len)
def test_what_is_compressed_opens_to_the_same(codec: int, data: bytes) -> None:
    closed = compression.compress(codec, data)
    assert compression.decompress(codec, memoryview(closed)) == data
    assert compression.decompress(codec, closed, limit=max(1, len(data))) == data


@pytest.mark.parametrize(
    ("codec", "level"),
    [
        *((compression.GZIP, level) for level in (-1, 9)),
        *((compression.LZ4, level) for level in (1, 9, 12, 17)),
        *((compression.ZSTD, level) for level in (-5, 19)),
        (compression.SNAPPY, 3),
    ],
)
def test_every_level_opens_to_the_same(codec: int, level: int) -> None:
    data = b"".join(b"line %d\n" % (n * n) for n in range(10_000))
    assert compression.decompress(codec, compression.compress(codec, data, level)) == data


def test_a_higher_level_packs_tighter() -> None:
    data = b"".join(b"line %d\n" % (n * n) for n in range(10_000))
    for codec, low, high in (
        (compression.GZIP, 1, 9),
        (compression.ZSTD, 1, 19),
    ):
        packed = [len(compression.compress(codec, data, level)) for level in (low, high)]
        assert packed[1] < packed[0], compression.NAMES[codec]


def test_no_compression_hands_the_buffer_through() -> None:
    data = memoryview(b"data")
    assert compression.decompress(compression.NONE, data) is data
    assert compression.compress(compression.NONE, data) == b"data"


def test_snappy_without_blocks_is_read_as_librdkafka_writes_it() -> None:
    import cramjam

    raw = bytes(cramjam.snappy.compress_raw(b"abc" * 100))
    assert compression.decompress(compression.SNAPPY, raw) == b"abc" * 100


def test_lz4_blocks_that_do_not_shrink_are_stored() -> None:
    noise = bytes((i * i * 31 + (i >> 3) * 17 + (i * 2654435761 >> 13)) & 0xFF for i in range(70_000))
    closed = compression.compress(compression.LZ4, noise)
    assert len(closed) <= len(noise) + 40
    assert compression.decompress(compression.LZ4, closed) == noise


@pytest.mark.parametrize("codec", CODECS, ids=compression.NAMES.get)
def test_garbled_and_cut_data_is_corrupt(codec: int) -> None:
    closed = compression.compress(codec, b"abc" * 1000)
    for bad in (b"", b"garbage" * 10, closed[: len(closed) // 2]):
        if codec == compression.SNAPPY and bad == b"":
            continue  # a raw block of nothing; see the record count for what that means
        with pytest.raises(CorruptMessage):
            compression.decompress(codec, bad)


@pytest.mark.parametrize("codec", [5, 7, -1])
def test_there_are_no_other_codecs(codec: int) -> None:
    with pytest.raises(UnsupportedCompressionType):
        compression.decompress(codec, b"")
    with pytest.raises(UnsupportedCompressionType):
        compression.compress(codec, b"")


def test_without_cramjam_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cramjam", None)
    with pytest.raises(CompressionUnavailable, match=r"zstd, which needs the cramjam package") as caught:
        compression.decompress(compression.ZSTD, b"x")
    assert caught.value.hint == "pip install 'tidelock[compression]'"
    assert compression.decompress(compression.GZIP, compression.compress(compression.GZIP, b"x")) == b"x"
