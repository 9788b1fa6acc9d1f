"""Compression of record batches: none, gzip, snappy, lz4, zstd, by their number in the batch's attributes.

gzip is the standard library's. The others come from cramjam (the extra `compression`), imported at first use,
because a broker passes batches on unopened and most processes never need it. Output is bounded: a batch that
opens to more than `limit` bytes is refused before it fills the memory.

Kafka's own framing is kept: snappy in xerial's blocks (raw snappy, as librdkafka sends it, is read as well);
lz4 as a frame of independent blocks, the only kind that the Java client reads.
Source: Java `CompressionType`, `Lz4BlockOutputStream`; xerial `SnappyOutputStream`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final

from tidelock.errors import TidelockError
from tidelock.protocol.error_codes import CorruptMessage, MessageTooLarge, UnsupportedCompressionType
from tidelock.protocol.primitives import Buffer

NONE: Final = 0
GZIP: Final = 1
SNAPPY: Final = 2
LZ4: Final = 3
ZSTD: Final = 4
NAMES: dict[int, str] = {NONE: "none", GZIP: "gzip", SNAPPY: "snappy", LZ4: "lz4", ZSTD: "zstd"}

DEFAULT_LIMIT = 128 << 20
"""Bytes that one batch may open to: beyond Kafka's largest request (socket.request.max.bytes, 100 MiB)."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEAD = _XERIAL + b"\x00\x00\x00\x01\x00\x00\x00\x01"  # version 1, readable since version 1
_LZ4_HEAD = b"\x04\x22\x4d\x18\x60\x40\x82"  # magic, independent blocks, 64 KiB blocks, header checksum
_LZ4_STORED = 1 << 31
_BLOCK = 64 << 10
_ZSTD_LEVEL = 3  # Kafka's compression.zstd.level


class CompressionUnavailable(TidelockError):
    """A batch must be opened and the library for its compression is not installed."""

    code = "TID-203"


def decompress(codec: int, data: Buffer, limit: int = DEFAULT_LIMIT) -> Buffer:
    """Open the records part of a batch.

    Args:
        codec: attributes & 7.
        data: what follows the batch header; codec 0 returns it as it is.
        limit: bytes, the most it may open to.

    Raises:
        CorruptMessage: not what the codec writes.
        MessageTooLarge: more than `limit`.
        UnsupportedCompressionType: no such codec.
        CompressionUnavailable: cramjam is not installed.
    """
    if codec == NONE:
        return data
    opener = _OPENERS.get(codec)
    if opener is None:
        raise UnsupportedCompressionType(f"there is no compression type {codec}")
    return opener(bytes(data), limit)


def compress(codec: int, data: Buffer, level: int | None = None) -> bytes:
    """Compress the records part of a batch; codec 0 copies it.

    Args:
        codec: attributes & 7.
        data: what follows the batch header.
        level: Kafka's compression.gzip.level or compression.zstd.level; None = its default. The others have
            none here: cramjam's lz4 blocks know one level only.

    Raises:
        UnsupportedCompressionType: no such codec.
        CompressionUnavailable: cramjam is not installed.
    """
    closer = _CLOSERS.get(codec)
    if closer is None:
        raise UnsupportedCompressionType(f"there is no compression type {codec}")
    return closer(bytes(data), level)


def _gunzip(data: bytes, limit: int) -> Buffer:
    member = zlib.decompressobj(wbits=31)
    try:
        out = member.decompress(data, limit + 1)
    except zlib.error as error:
        raise CorruptMessage(f"a gzip batch is garbled: {error}") from None
    if len(out) > limit:
        raise _too_large(limit)
    if not member.eof or member.unused_data:  # one member is what every client writes
        raise CorruptMessage("a gzip batch is cut short, or something follows it")
    return out


def _store(data: bytes, level: int | None) -> bytes:
    return data


def _gzip(data: bytes, level: int | None) -> bytes:
    return zlib.compress(data, -1 if level is None else level, wbits=31)


def _unsnap(data: bytes, limit: int) -> Buffer:
    if not data.startswith(_XERIAL):
        return _unsnap_block(data, limit, limit)
    out = bytearray()
    pos = len(_XERIAL_HEAD)
    while pos < len(data):
        size = int.from_bytes(data[pos : pos + 4], "big")
        pos += 4
        if size > len(data) - pos:
            raise CorruptMessage("a snappy batch is cut short")
        out += _unsnap_block(data[pos : pos + size], limit - len(out), limit)
        pos += size
    return out


def _unsnap_block(data: bytes, room: int, limit: int) -> Buffer:
    snappy, broken = _cramjam("snappy")
    try:
        if snappy.decompress_raw_len(data) > room:
            raise _too_large(limit)
        return bytes(snappy.decompress_raw(data))
    except broken as error:
        raise CorruptMessage(f"a snappy batch is garbled: {error}") from None


def _snap(data: bytes, level: int | None) -> bytes:
    snappy, _ = _cramjam("snappy")
    out = bytearray(_XERIAL_HEAD)
    for start in range(0, len(data), _BLOCK):
        block = bytes(snappy.compress_raw(data[start : start + _BLOCK]))
        out += len(block).to_bytes(4, "big") + block
    return bytes(out)


def _unlz4(data: bytes, limit: int) -> Buffer:
    return _open_frame("lz4", data, limit)


def _lz4(data: bytes, level: int | None) -> bytes:
    lz4, _ = _cramjam("lz4")
    out = bytearray(_LZ4_HEAD)
    for start in range(0, len(data), _BLOCK):
        plain = data[start : start + _BLOCK]
        block = bytes(lz4.compress_block(plain, store_size=False))
        stored = len(block) >= len(plain)
        size = len(plain) | _LZ4_STORED if stored else len(block)
        out += size.to_bytes(4, "little") + (plain if stored else block)
    return bytes(out + bytes(4))


def _unzstd(data: bytes, limit: int) -> Buffer:
    return _open_frame("zstd", data, limit)


def _zstd(data: bytes, level: int | None) -> bytes:
    zstd, _ = _cramjam("zstd")
    return bytes(zstd.compress(data, level=_ZSTD_LEVEL if level is None else level))


def _open_frame(codec: str, data: bytes, limit: int) -> Buffer:
    """Decompress into buffers of growing size: the frames need not say how long their content is."""
    module, broken = _cramjam(codec)
    size = min(limit, max(_BLOCK, 4 * len(data)))
    while True:
        out = bytearray(size)
        try:
            return memoryview(out)[: module.decompress_into(data, out)]
        except broken as error:
            too_small = "whole buffer" in str(error)
            if too_small and size >= limit:
                raise _too_large(limit) from None
            if not too_small:
                raise CorruptMessage(f"a {codec} batch is garbled: {error}") from None
        size = min(limit, size * 8)


def _too_large(limit: int) -> MessageTooLarge:
    return MessageTooLarge(f"a compressed batch opens to more than {limit} bytes")


def _cramjam(codec: str) -> tuple[Any, type[Exception]]:
    """Return cramjam's module of a codec, and what it raises on bytes that the codec did not write."""
    try:
        import cramjam
    except ImportError:
        raise CompressionUnavailable(
            f"a batch is compressed with {codec}, which needs the cramjam package",
            hint="pip install 'tidelock[compression]'",
        ) from None
    module: ModuleType = getattr(cramjam, codec)
    return module, cramjam.DecompressionError


_OPENERS: dict[int, Callable[[bytes, int], Buffer]] = {
    GZIP: _gunzip,
    SNAPPY: _unsnap,
    LZ4: _unlz4,
    ZSTD: _unzstd,
}
_CLOSERS: dict[int, Callable[[bytes, int | None], bytes]] = {
    NONE: _store,
    GZIP: _gzip,
    SNAPPY: _snap,
    LZ4: _lz4,
    ZSTD: _zstd,
}
