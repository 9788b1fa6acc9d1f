"""Builds each part inside its own process, from the job that `up` sent and the socket it bound.

Every function imports its part when it is called, so that a process carries only what it runs.
"""

from __future__ import annotations
