"""The chat core of Candor: knows no platform."""
