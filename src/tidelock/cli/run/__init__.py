"""`tidelock run`: any ASGI application as one or more instances that the registry knows.

`command` is the command line, `instances` starts and watches one process per instance, `child` is the entry
point of such a process, `loading` finds the application in its module, `changes` notices edited files.
"""
