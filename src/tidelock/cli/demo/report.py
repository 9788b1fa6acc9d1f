"""report.html: one self-contained page with the run's timeline as SVG and the table of the proof.

No script, no font, no address is loaded from anywhere; every value is escaped. The chart is drawn from the
same samples that the table behind it lists, so it can be read without seeing it. Pure: data in, text out.
"""

from __future__ import annotations

from html import escape
from importlib.resources import files

from tidelock.cli.demo.chart import timeline
from tidelock.cli.demo.record import ActResult, RunRecord, Sample

TABLE_ROWS = 60


def render(record: RunRecord, *, title: str, written: str) -> str:
    """Return the whole page.

    Args:
        record: the run.
        title: the headline.
        written: when the page was written, as text.
    """
    verdict = "PASS" if record.ok else "FAIL"
    style = (files("tidelock.cli.demo") / "report.css").read_text(encoding="utf-8")
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{escape(title)}: {verdict}</title><style>{style}</style></head><body><header>",
        f"<h1>{escape(title)} <span class='verdict {verdict.lower()}'>{verdict}</span></h1>",
        f"<p class=soft>{record.orders:,} orders with {record.order_lines:,} lines,"
        f" {escape(record.orders_source)}. Written {escape(written)}.</p></header><main>",
        "<h2>What happened, over time</h2>",
        timeline(record.samples, record.events),
        _events(record),
        _samples_table(record.samples),
        "<h2>The proof</h2>",
        _proof(record),
        "<h2>The five acts</h2>",
        *(_act(act) for act in record.acts),
        "<h2>Memory</h2>",
        _memory(record.peak_memory),
        "</main><footer><p>Drawn by tidelock. Everything on this page is in the page.</p></footer>",
        "</body></html>",
    ]
    return "\n".join(parts)


def _events(record: RunRecord) -> str:
    rows = "".join(
        f"<li{' class=kill' if event.is_kill else ''}>{escape(event.label)}"
        f" <span class=soft>{event.at:.1f} s</span></li>"
        for event in record.events
    )
    return f"<ol class=events>{rows}</ol>" if rows else ""


def _samples_table(samples: list[Sample]) -> str:
    step = max(1, len(samples) // TABLE_ROWS)
    chosen = samples[::step]
    if samples and chosen[-1] is not samples[-1]:
        chosen = [*chosen, samples[-1]]
    rows = "".join(
        f"<tr><td class=n>{s.at:.1f}</td><td class=n>{s.act}</td><td class=n>{s.accepted:,}</td>"
        f"<td class=n>{s.in_database:,}</td><td class=n>{s.lag:,}</td></tr>"
        for s in chosen
    )
    return (
        "<details><summary>The same as a table</summary><table><thead><tr><th class=n>second<th class=n>act"
        "<th class=n>accepted<th class=n>in the database<th class=n>lag</tr></thead><tbody>"
        f"{rows}</tbody></table></details>"
    )


def _proof(record: RunRecord) -> str:
    final = record.acts[-1] if record.acts and record.acts[-1].act == 5 else None
    if final is None:
        return "<p>The run ended before the proof.</p>"
    rows = "".join(
        f"<tr><th scope=row>{escape(name.replace('_', ' '))}</th>"
        f"<td class=n>{escape(_shown(value))}</td></tr>"
        for name, value in final.figures.items()
        if not isinstance(value, dict | list)
    )
    table = f"<table><caption>tidelock verify, row by row</caption><tbody>{rows}</tbody></table>"
    if not record.differences:
        return table
    found = "".join(f"<li>{escape(str(difference))}</li>" for difference in record.differences[:100])
    return f"{table}<h3>Rows that differ</h3><ul>{found}</ul>"


def _act(act: ActResult) -> str:
    word = "ok" if act.ok else "not as promised"
    body = escape("\n".join(act.lines))
    return (
        f"<section><h3>{act.act}/5 {escape(act.title)}: {word}</h3>"
        f"<p class=soft>{act.ended - act.started:.1f} s</p><pre>{body}</pre></section>"
    )


def _memory(peaks: dict[str, int]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td class=n>{size / 2**20:.0f} MB</td></tr>"
        for name, size in peaks.items()
    )
    return f"<table><caption>Largest resident memory per process</caption><tbody>{rows}</tbody></table>"


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return str(value)
