"""The run's timeline as SVG: accepted orders, orders in the common database, the lag between, the kills.

Pure: samples and events in, markup out. Colours are the page's CSS variables, so the chart follows its theme.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from tidelock.cli.demo.record import Event, Sample

WIDTH, HEIGHT = 960, 350
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 84, 34
MARK_WIDTH = 9
DASHED = "stroke-dasharray='6 3'"
GRID_STEPS = 4


@dataclass(frozen=True, slots=True)
class Scale:
    """From seconds and counts to the picture's coordinates."""

    seconds: float
    count: int

    def x(self, at: float) -> float:
        """Return the horizontal place of a moment."""
        return round(LEFT + at / self.seconds * (WIDTH - LEFT - RIGHT), 1)

    def y(self, count: float) -> float:
        """Return the vertical place of a count."""
        return round(HEIGHT - BOTTOM - count / self.count * (HEIGHT - TOP - BOTTOM), 1)


def timeline(samples: list[Sample], events: list[Event]) -> str:
    """Return the whole chart as one SVG element."""
    if not samples:
        return "<p>No samples were taken.</p>"
    last = samples[-1]
    scale = Scale(
        seconds=max(0.001, last.at, *(event.at for event in events)),
        count=max(1, *(max(sample.accepted, sample.in_database) for sample in samples)),
    )
    label = (
        f"{last.accepted:,} orders accepted, {last.in_database:,} in the common database"
        f" after {scale.seconds:.1f} s"
    )
    parts = [
        f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role='img' aria-label='{escape(label, quote=True)}'>",
        *_axes(scale),
        *_curves(samples, scale),
        *_marks(events, scale),
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts)


def _curves(samples: list[Sample], scale: Scale) -> list[str]:
    accepted = " ".join(f"{scale.x(s.at)},{scale.y(s.accepted)}" for s in samples)
    stored = " ".join(f"{scale.x(s.at)},{scale.y(s.in_database)}" for s in samples)
    floor = f"{scale.x(samples[0].at)},{scale.y(0)}"
    lag = " ".join(f"{scale.x(s.at)},{scale.y(s.lag)}" for s in samples)
    end = f"{scale.x(samples[-1].at)},{scale.y(0)}"
    line = "fill='none' stroke-width='2'"
    return [
        f"<polygon points='{floor} {lag} {end}' fill='var(--lag)' fill-opacity='.35'/>",
        f"<polyline points='{accepted}' {line} stroke='var(--accepted)'/>",
        f"<polyline points='{stored}' {line} stroke='var(--database)' {DASHED}/>",
    ]


def _axes(scale: Scale) -> list[str]:
    found = []
    for step in range(GRID_STEPS + 1):
        count, at = scale.count * step / GRID_STEPS, scale.seconds * step / GRID_STEPS
        y, x, floor = scale.y(count), scale.x(at), HEIGHT - BOTTOM + 18
        found += [
            f"<line x1='{LEFT}' x2='{WIDTH - RIGHT}' y1='{y}' y2='{y}' stroke='var(--rule)'/>",
            f"<text class='soft' x='{LEFT - 6}' y='{y + 4}' text-anchor='end'>{count:,.0f}</text>",
            f"<text class='soft' x='{x}' y='{floor}' text-anchor='middle'>{at:.0f} s</text>",
        ]
    return found


def _marks(events: list[Event], scale: Scale) -> list[str]:
    """Draw a line per event with its number; the page lists the numbers with their words."""
    found, free = [], [0.0, 0.0, 0.0]
    for number, event in enumerate(events, start=1):
        at = scale.x(event.at)
        colour = "var(--kill)" if event.is_kill else "var(--soft)"
        row = next((row for row, end in enumerate(free) if at - MARK_WIDTH >= end), number % len(free))
        free[row] = at + MARK_WIDTH
        y = TOP - 20 + 14 * row
        found += [
            f"<line x1='{at}' x2='{at}' y1='{y + 4}' y2='{HEIGHT - BOTTOM}' stroke='{colour}'"
            " stroke-dasharray='2 3'/>",
            f"<text x='{at}' y='{y}' text-anchor='middle' style='fill:{colour};font-weight:700'>{number}"
            f"<title>{escape(event.label)}</title></text>",
        ]
    return found


def _legend() -> list[str]:
    items = (
        ("var(--accepted)", "orders accepted", ""),
        ("var(--database)", "orders in the common database", DASHED),
        ("var(--lag)", "lag (accepted, not yet there)", ""),
    )
    found, left = [], LEFT
    for colour, text, dash in items:
        found += [
            f"<line x1='{left}' x2='{left + 24}' y1='18' y2='18' stroke='{colour}' stroke-width='3' {dash}/>",
            f"<text x='{left + 30}' y='22'>{text}</text>",
        ]
        left += 60 + 7 * len(text)
    return found
