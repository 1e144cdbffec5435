"""What is wrong with a control request."""


class ControlError(ValueError):
    """A control request that cannot be done; its text is one line for the caller."""
