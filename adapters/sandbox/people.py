"""Who can sit at the sandbox: the handles there are, the same on both platforms.

A handle alone decides its ids on either platform; whether somebody is there is up to the world,
which is given its people when it is made.
"""

FIRST_HANDLES = ("alice", "bob", "carol", "dave")
"""Those who have names; the others are `person5`, `person6`, …"""

NUM_PEOPLE = 4
MAX_PEOPLE = 200


def handles(num_people: int = NUM_PEOPLE) -> tuple[str, ...]:
    """The handles of so many people; raises ValueError for none or more than MAX_PEOPLE."""
    if not 1 <= num_people <= MAX_PEOPLE:
        raise ValueError(f"people: {num_people} is refused; allowed: 1 to {MAX_PEOPLE}")
    further = tuple(f"person{number}" for number in range(len(FIRST_HANDLES) + 1, num_people + 1))
    return (*FIRST_HANDLES, *further)[:num_people]


def named(people: tuple[str, ...]) -> str:
    """People in a line: `alice, bob, carol, dave, person5 … person30`."""
    shown = len(FIRST_HANDLES) + 1
    if len(people) <= shown:
        return ", ".join(people)
    return f"{', '.join(people[:shown])} … {people[-1]}"
