"""tidelock: services that find each other, call each other and keep their data in step.

This module holds the version and imports nothing, so that `import tidelock` costs nothing.
Each part is imported by its own name: `tidelock.broker`, `tidelock.discovery`, `tidelock.http`,
`tidelock.connect`, `tidelock.sync`. The map of the house is docs/design/ARCHITECTURE.md.
"""

__version__ = "0.1.0"
