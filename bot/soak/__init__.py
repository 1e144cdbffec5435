"""The soak: people on both platforms, faults and kills, and an audit of what is left.

The sandbox, the bot and Redis are real processes, and the soak
talks to them as people, as a model and as an auditor. It imports no adapter.
"""
