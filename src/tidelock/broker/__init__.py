"""The embedded Kafka-protocol broker: single node, durable, byte-compatible log files.

One event loop owns all state. `server` moves bytes, `node` dispatches requests, `apis` has one file per API
key, `groups` and `log` are rules without IO; `disk` is the only module that touches files.
The design page is docs/design/broker.md.
"""
