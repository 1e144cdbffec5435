"""Discord: translate events in, write messages out."""
