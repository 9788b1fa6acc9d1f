"""An instance is killed under load: the last call that went to it, and when everybody knew.

Three processes at 200 calls per second through our client, and 100 watchers where the registry pushes;
several rounds, since a kill hits a different moment each time.
"""

from __future__ import annotations

import asyncio

from tests.integration.crash_story import DOWN, JAVA, OURS, RATE, Noticed, story

from bench.timing import table

ROUNDS = 5
WATCHERS = 100


def main() -> None:
    rows = []
    for kind in (OURS, DOWN, JAVA):
        found = [
            asyncio.run(story(kind, watching=WATCHERS if kind == OURS else 0, after=0.9))
            for _ in range(ROUNDS)
        ]
        rows.append((kind, *(text(found) for text in TEXTS.values())))
    table((f"{RATE:.0f} calls/s, {ROUNDS} kills; worst", *TEXTS), rows)


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
    "last of these": lambda found: worst([at for one in found for at in one.refused]),
    "out of the registry": lambda found: worst([one.gone for one in found if one.gone is not None]),
    "100 watchers told": lambda found: worst([one.told for one in found if one.told is not None]),
}


if __name__ == "__main__":
    main()
