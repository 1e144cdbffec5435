"""The bench: measures the engine, and any other server, with one client.

Imports no torch: what needs it runs as a process of `bot/engine`.
"""
