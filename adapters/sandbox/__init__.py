"""A loopback Discord and a loopback Slack with one web page to sit at.

The other side of the wire: nothing here imports the bot or an adapter.
"""
