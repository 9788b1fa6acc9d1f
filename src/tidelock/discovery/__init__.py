"""Service discovery: an Eureka-compatible registry (server) and its client.

`lease` and `registry` are rules without IO; `codec` reads and writes Eureka's JSON and XML; `server` is the
ASGI application; `client` registers, renews and fetches. The design page is docs/design/discovery.md.
"""
