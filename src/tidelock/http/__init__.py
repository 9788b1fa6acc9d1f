"""Calls between services: one `@api` interface gives client and server; balancing, retry, deadline, breaker.

Rules (`balance`, `retry`, `breaker`, `flow`) do no IO; the engine moves bytes.
The design page is docs/design/http.md.
"""
