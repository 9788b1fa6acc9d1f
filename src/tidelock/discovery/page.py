"""The registry's pages, `/` and `/lastn`: who is up and who calls whom, in words. No IO, no clock.

Plain HTML that works without JavaScript; with it, `live.js` replaces what is inside `main`.

`Html` marks what is markup already; everything else that goes into a page is escaped by `markup`, so that an
instance cannot write into the page. May import `registry` and `calls`. Invariant: no text of an instance or
a caller reaches the page unescaped, and a link only when it is http(s).
"""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tidelock.discovery.calls import Edge
from tidelock.discovery.instance import Instance, Status
from tidelock.discovery.lease import Lease, Moment
from tidelock.discovery.preservation import Preservation
from tidelock.discovery.registry import Happening, Registry

LATELY = 12
"""Lines of history shown."""

REFRESH = 5
"""Seconds after which a browser without JavaScript loads the page again."""

STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#888;--good:#1a7f37;--bad:#c62828;--wait:#a86a00}
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2rem 0 .5rem}
p{margin:.3rem 0}.lead{font-size:1.15rem}.soft{color:var(--soft)}
table{border-collapse:collapse;width:100%}th{text-align:left;font-weight:600;color:var(--soft)}
th,td{padding:.35rem .8rem .35rem 0;border-bottom:1px solid var(--line);vertical-align:top}
td:first-child,.soft{white-space:nowrap}
.UP{color:var(--good)}.DOWN,.UNKNOWN{color:var(--bad)}.STARTING,.OUT_OF_SERVICE{color:var(--wait)}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.n,.s{white-space:nowrap}
.bad{color:var(--bad)}#lost{display:none;color:var(--bad)}.lost #lost{display:block}.lost main{opacity:.5}
.on{border-left:4px solid var(--bad);padding-left:.8rem}code{font-size:.9em}
"""


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows besides the registry.

    Args:
        url: the registry's root URL.
        started: wall seconds.
        preservation: the verdict now.
        version: tidelock's.
        calls: who calls whom.
        peers: their URLs, and whether each answered last time.
    """

    url: str
    started: float
    preservation: Preservation
    version: str
    calls: Sequence[Edge] = ()
    peers: Sequence[tuple[str, bool]] = ()


def markup(template: str, /, **values: object) -> Html:
    """Fill a template; every value is escaped unless it is `Html`."""
    return Html(template.format(**{name: _safe(value) for name, value in values.items()}))


def joined(parts: Iterable[Html]) -> Html:
    """Return pieces of markup as one."""
    return Html("".join(parts))


def _safe(value: object) -> str:
    return value if isinstance(value, Html) else html.escape(str(value))


def render(registry: Registry, view: View, now: Moment) -> bytes:
    """Return the page."""
    leases: dict[str, list[Lease]] = {}
    for lease in registry.leases():
        leases.setdefault(lease.instance.app, []).append(lease)
    body = markup(
        '<h1>tidelock registry</h1><p class="lead">{summary}</p>{services}{calls}'
        "<h2>Self-preservation</h2>{preservation}{peers}"
        '<h2>Lately</h2>{lately}<p><a href="/lastn">everything remembered</a></p>'
        "<h2>To register here</h2>{how}",
        summary=summarise(leases),
        services=_services(leases, now),
        calls=_calls(view.calls),
        preservation=_preservation(view.preservation),
        peers=_peers(view.peers),
        lately=_lately(list(registry.history)[-LATELY:][::-1], now),
        how=_how(view, now),
    )
    return _page(f"{len(registry)} instances - tidelock registry", body)


def render_history(registry: Registry, now: Moment) -> bytes:
    """Return the page `/lastn`: all changes remembered, the newest first."""
    body = markup(
        '<h1>Everything remembered</h1><p><a href="/">back</a></p>{lately}',
        lately=_lately(list(registry.history)[::-1], now),
    )
    return _page("history - tidelock registry", body)


def _page(title: str, body: Html) -> bytes:
    page = markup(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>{title}</title>'
        '<noscript><meta http-equiv="refresh" content="{refresh}"></noscript>'
        '<style>{style}</style><script src="/live.js" defer></script></head>'
        '<body><p id="lost">The registry does not answer. This is what it said last.</p>'
        "<main>{body}</main></body></html>",
        title=title,
        refresh=REFRESH,
        style=Html(STYLE),
        body=body,
    )
    return page.encode("utf-8", "replace")


def summarise(leases: dict[str, list[Lease]]) -> str:
    """Say in one or two sentences who is up and who is not."""
    if not leases:
        return "No service is registered."
    everyone = [lease for group in leases.values() for lease in group]
    up = sum(lease.instance.is_up for lease in everyone)
    services = _count(len(leases), "service")
    if up == len(everyone):
        ways = "it is up" if up == 1 else f"all {up} are up"
        return f"{services} with {_count(up, 'instance')}: {ways}."
    dark = [app for app, group in leases.items() if not any(lease.instance.is_up for lease in group)]
    text = f"{services} with {_count(len(everyone), 'instance')}: {up} up, {len(everyone) - up} not."
    return f"{text} Nobody can call {_listing(dark)}." if dark else text


def _services(leases: dict[str, list[Lease]], now: Moment) -> Html:
    if not leases:
        return Html("")
    rows = joined(_row(lease, now) for app in sorted(leases) for lease in leases[app])
    head = Html("<tr><th>Service</th><th>Instance</th><th>Status</th><th>Lease</th></tr>")
    return markup(
        "<h2>Services</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>", head=head, rows=rows
    )


def _row(lease: Lease, now: Moment) -> Html:
    instance = lease.instance
    return markup(
        '<tr><td>{app}</td><td>{link}<br><span class="soft">{id}</span></td>'
        '<td class="{status}">{words}</td><td>{lease}</td></tr>',
        app=instance.app,
        link=_link(instance),
        id=instance.instance_id,
        status=instance.status.value,
        words=_status(lease),
        lease=_lease(lease, now),
    )


def _link(instance: Instance) -> Html:
    target = instance.home_page_url or ""
    shown = "{}:{}".format(*instance.address)
    if target.startswith(("http://", "https://")):
        return markup('<a href="{target}" rel="noreferrer">{shown}</a>', target=target, shown=shown)
    return markup("{shown}", shown=shown)


def _status(lease: Lease) -> str:
    status = lease.instance.status
    words = {Status.OUT_OF_SERVICE: "out of service", Status.UNKNOWN: "unknown, must register again"}
    text = words.get(status, status.value.lower())
    return f"{text} (set by an operator)" if lease.override is status else text


def _lease(lease: Lease, now: Moment) -> str:
    ago = now.monotonic - lease.renewed
    left = lease.lapses_at - now.monotonic
    heartbeat = f"last heartbeat {_ago(ago)}"
    if left < 0:
        return f"{heartbeat}; over since {-left:.0f} s"
    return f"{heartbeat}; over in {left:.0f} s unless renewed"


def _calls(edges: Sequence[Edge]) -> Html:
    if not edges:
        return Html("")
    rows = joined(
        markup(
            '<tr><td>{caller}</td><td class="s">{callee}</td><td class="n">{rate}</td>'
            '<td class="n{bad}">{errors}</td>'
            '<td class="n">{p50}</td><td class="n">{p99}</td><td class="{open}">{breaker}</td></tr>',
            caller=_name(edge),
            callee=edge.callee,
            rate=f"{edge.rate:.1f}",
            bad=Html(" bad") if edge.errors else Html(""),
            errors=f"{edge.errors / edge.count:.1%}" if edge.errors else "none",
            p50=_milliseconds(edge.p50_ms),
            p99=_milliseconds(edge.p99_ms),
            open="" if edge.breaker == "closed" else "bad",
            breaker=_breaker(edge),
        )
        for edge in edges
    )
    head = Html(
        '<tr><th>Caller</th><th>Called</th><th class="n">calls/s</th><th class="n">Errors</th>'
        '<th class="n">half within</th><th class="n">99 % within</th><th>Breaker</th></tr>'
    )
    return markup(
        "<h2>Who calls whom</h2><table><thead>{head}</thead><tbody>{rows}</tbody></table>",
        head=head,
        rows=rows,
    )


def _name(edge: Edge) -> str:
    return edge.caller if edge.instances == 1 else f"{edge.caller} ({edge.instances} instances)"


def _milliseconds(value: float) -> str:
    return (
        f"{value / 1000:.1f} s" if value >= 1000 else f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"
    )


def _breaker(edge: Edge) -> str:
    words = {"half_open": "half open: trying", "open": "open: not calling"}.get(edge.breaker, "closed")
    return f"{words}; {_count(edge.ejected, 'instance')} left out" if edge.ejected else words


def _peers(peers: Sequence[tuple[str, bool]]) -> Html:
    if not peers:
        return Html("")
    rows = joined(
        markup(
            '<tr><td>{url}</td><td class="{kind}">{words}</td></tr>',
            url=url,
            kind="UP" if is_reachable else "DOWN",
            words="reachable" if is_reachable else "not reachable; what it misses is sent again",
        )
        for url, is_reachable in peers
    )
    return markup("<h2>Peers</h2><table><tbody>{rows}</tbody></table>", rows=rows)


def _preservation(verdict: Preservation) -> Html:
    kind = Html(' class="on"') if verdict.is_active else Html("")
    return markup("<p{kind}>{text}</p>", kind=kind, text=verdict.explain())


def _lately(history: list[Happening], now: Moment) -> Html:
    if not history:
        return Html('<p class="soft">Nothing has happened yet.</p>')
    rows = joined(
        markup(
            "<tr><td>{when}</td><td>{app}</td><td>{id}</td><td>{what}</td></tr>",
            when=_ago(now.wall - entry.at),
            app=entry.instance.app,
            id=entry.instance.instance_id,
            what=entry.what,
        )
        for entry in history
    )
    return markup("<table><tbody>{rows}</tbody></table>", rows=rows)


def _how(view: View, now: Moment) -> Html:
    return markup(
        "<p>Clients of Eureka (Spring Cloud, Steeltoe, py-eureka-client, eureka-js-client, tidelock) use "
        "<code>{url}/eureka/</code>, as JSON or XML: <a href='/eureka/apps'>/eureka/apps</a>.</p>"
        '<p class="soft">tidelock {version}, started {started} ({ago}).</p>',
        url=view.url,
        version=view.version,
        started=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(view.started)),
        ago=_ago(now.wall - view.started),
    )


def _ago(seconds: float) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit} ago"
    return "just now" if seconds < 1 else f"{seconds:.0f} s ago"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _listing(names: list[str]) -> str:
    shown = names[:3]
    if len(names) > len(shown):
        return f"{', '.join(shown)} and {len(names) - len(shown)} more"
    return " or ".join([", ".join(shown[:-1]), shown[-1]]) if len(shown) > 1 else shown[0]
