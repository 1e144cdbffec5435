"""Redis: the connection or the embedded server, and the only rooms that know its keys."""
