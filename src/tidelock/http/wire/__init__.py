"""The HTTP/1.1 engine: `parser` and `head` are pure, `connection` and `pool` move bytes with asyncio.

One request at a time per connection, no pipelining; see docs/design/http.md for what is left to httpx.
"""
