"""Slack: translate events in, write messages out."""
