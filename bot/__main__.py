"""`python -m bot` is `candor`."""

from bot.cli import main

main()
