"""Exchanges with Eureka's REST API: the requests as data, Java's answers recorded, ours compared."""
