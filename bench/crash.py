"""An instance is killed under load: the last call that went to it, and when everybody knew.

Three processes at 200 calls per second through our client, and 100 watchers where the registry pushes; many
rounds, since a kill hits a different moment each time. A call goes to the dead port if it tried it first or
was under way there; its time is that at which it began. It counts from the kill, and from the end of the
process: until then, on a busy machine some hundredths of a second, the port is not dead.
"""

from __future__ import annotations

import asyncio

from tests.integration.crash_story import DOWN, JAVA, OURS, RATE, Noticed, story

from bench.timing import markdown

ROUNDS = 7
"""Kills per kind of registry."""
WATCHERS = 100


def main() -> None:
    rows = []
    for kind in (OURS, DOWN, JAVA):
        found = [
            asyncio.run(story(kind, watching=WATCHERS if kind == OURS else 0, after=0.9))
            for _ in range(ROUNDS)
        ]
        rows.append((kind, *(text(found) for text in TEXTS.values())))
    markdown((f"registry; {RATE:.0f} calls/s, {ROUNDS} kills each, the worst", *TEXTS), rows)


def worst(seconds: list[float]) -> str:
    return f"{max(seconds) * 1000:,.0f} ms" if seconds else "-"


def calls(found: list[Noticed]) -> str:
    return f"{sum(one.calls for one in found):,}"


def failed(found: list[Noticed]) -> str:
    return str(sum(len(one.failed) for one in found))


def refused(found: list[Noticed]) -> str:
    return str(max(len(one.refused) for one in found))


TEXTS = {
    "calls": calls,
    "failed": failed,
    "first to the dead port": refused,
    "last of these after the kill": lambda found: worst([at for one in found for at in one.refused]),
    "process ended after": lambda found: worst([one.dead for one in found]),
    "last after that": lambda found: worst([one.last for one in found if one.last is not None]),
    "out of the registry": lambda found: worst([one.gone for one in found if one.gone is not None]),
    "100 watchers told": lambda found: worst([one.told for one in found if one.told is not None]),
}


if __name__ == "__main__":
    main()
