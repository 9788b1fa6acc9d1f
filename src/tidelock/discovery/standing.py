"""What `GET /status` says of the server itself: machine, peers, own instance. No IO, no clock.

May import `documents` and `codec`. The numbers come as arguments.

Source: Netflix `com.netflix.eureka.util.StatusInfo` (`isHeathly` is spelt so there, and only JSON has it).
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from tidelock.discovery.codec import xml
from tidelock.discovery.codec.fields import Tree, tree_of
from tidelock.discovery.documents import Form
from tidelock.discovery.instance import Instance

ROOT = "com.netflix.eureka.util.StatusInfo"
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """The server at one moment.

    Args:
        cpus: of the machine.
        memory_bytes: most that this process has had.
        uptime: seconds.
        reachable: URLs of peers that answered last time.
        unreachable: URLs of the others.
        instance: the server as an instance of itself.
    """

    cpus: int = 1
    memory_bytes: int = 0
    uptime: float = 0.0
    reachable: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    instance: Instance | None = None

    def document(self, form: Form) -> bytes:
        """Encode it; compact is the same as full."""
        if form.content_type == xml.CONTENT_TYPE:
            return xml.write_tree(ROOT, self._tree())
        return msgspec.json.encode({**self._tree(), "isHeathly": not self.unreachable})

    def _tree(self) -> Tree:
        minutes, _ = divmod(int(self.uptime), 60)
        hours, minutes = divmod(minutes, 60)
        tree: Tree = {
            "generalStats": {
                "num-of-cpus": str(self.cpus),
                "current-memory-usage": f"{self.memory_bytes // MIB}mb",
                "server-uptime": f"{hours:02}:{minutes:02}",
            },
            "applicationStats": {
                "registered-replicas": _listed(self.reachable + self.unreachable),
                "available-replicas": _listed(self.reachable),
                "unavailable-replicas": _listed(self.unreachable),
            },
        }
        if self.instance is not None:
            tree["instanceInfo"] = tree_of(self.instance)
        return tree


def _listed(urls: tuple[str, ...]) -> str:
    return "".join(f"{url}," for url in sorted(urls))
