"""What a power loss does to a data folder, done to it between two starts of a broker.

Only bytes that were never synced are touched: behind the durable size of a `.log` file anything may stand
after a power loss. `flip_one` is another matter: it changes one bit of what had been synced, as a bad disk
does; then a broker may lose the record, but must neither serve it nor keep silent.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from tests.support.synced import durable_sizes

MOST_BYTES = 5000


def torn(tail: bytes, chance: Random) -> bytes:
    """The last write has arrived in part, or not at all."""
    return tail[: chance.randint(0, len(tail))]


def zeros(tail: bytes, chance: Random) -> bytes:
    """The file has grown, its content has not arrived."""
    kept = chance.randint(0, len(tail))
    return tail[:kept] + bytes(len(tail) - kept + chance.randint(1, MOST_BYTES))


def flipped(tail: bytes, chance: Random) -> bytes:
    """One bit is wrong; without a tail, of a byte that was never written."""
    changed = bytearray(tail or b"\0")
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def stale(tail: bytes, chance: Random) -> bytes:
    """Blocks of something else stand where the tail should."""
    return torn(tail, chance) + chance.randbytes(chance.randint(1, MOST_BYTES))


KINDS: tuple[Callable[[bytes, Random], bytes], ...] = (torn, zeros, flipped, stale)


def lose_power(folder: Path, chance: Random) -> list[str]:
    """Damage what was not synced in about half of the logs; returns what was done, in words."""
    durable = durable_sizes(folder)
    done = []
    for path in sorted(folder.glob("*/*.log")):
        name = str(path.relative_to(folder))
        data = path.read_bytes()
        safe = min(durable.get(name, 0), len(data))
        is_last = path == max(path.parent.glob("*.log"))
        if chance.random() < 0.5 or (safe == len(data) and not is_last):
            continue
        kind = chance.choice(KINDS)
        path.write_bytes(data[:safe] + kind(data[safe:], chance))
        done.append(f"{name}: {kind.__name__} behind byte {safe} of {len(data)}")
    return done


def repeat_last_batch(folder: Path, chance: Random) -> list[str]:
    """Append what a process that died in a write may leave: the first part of a batch."""
    done = []
    for path in sorted(folder.glob("*/*.log")):
        data = path.read_bytes()
        if data and path == max(path.parent.glob("*.log")) and chance.random() < 0.5:
            piece = data[: chance.randint(1, min(60, len(data)))]
            path.write_bytes(data + piece)
            done.append(f"{path.parent.name}: {len(piece)} bytes of a write")
    return done


def flip_one(folder: Path, topic: str, chance: Random) -> tuple[int, int]:
    """Flip one bit in what was synced of one partition's last log; returns (partition, byte)."""
    durable = durable_sizes(folder)
    last = [max(one.glob("*.log")) for one in sorted(folder.glob(f"{topic}-*"))]
    sizes = {one: min(durable.get(f"{one.parent.name}/{one.name}", 0), one.stat().st_size) for one in last}
    path = chance.choice([one for one in last if sizes[one]])
    position = chance.randrange(sizes[path])
    data = bytearray(path.read_bytes())
    data[position] ^= 1 << chance.randrange(8)
    path.write_bytes(data)
    return int(path.parent.name.rpartition("-")[2]), position
