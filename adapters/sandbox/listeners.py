"""Who is told of each change of a world."""

from collections.abc import Callable


class Listeners:
    """Functions to call after each change, in the order of coming."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` after each change; returns what ends the subscription."""
        # Wrapped, so that subscribing one function twice gives two subscriptions.
        listener = lambda: on_change()  # noqa: E731
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def tell(self) -> None:
        """Something changed."""
        for listener in tuple(self._listeners):
            listener()
