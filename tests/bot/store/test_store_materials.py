"""Materials are kept for a while, each by itself, and are gone when they are to be."""

from redis.asyncio import Redis

from bot.context.material import Document, Image, Line, Material, Talk, Unread
from bot.store import keys
from bot.store.materials import Materials
from tests.bot.turns_of import DM, accepted, turn

MATERIAL = Material(
    (Document("a.pdf", "one\n\ntwo", (5, 8), 2, is_cut=True),),
    (Image("p.png", "image/png", "aa=="),),
    (Unread("z.zip", "kind"),),
)
TALK = Talk((Line("Ana", "hi"), Line("", "hello", is_ours=True)), is_cut=True)


async def test_what_is_kept_is_what_comes_back(client: "Redis") -> None:
    materials = Materials(client, keep_s=60)
    await accepted(client, turn("t1"))
    await materials.keep("t1", MATERIAL)
    await materials.keep_talk(DM, TALK)
    assert await materials.of(["t0", "t1"]) == {"t1": MATERIAL}
    assert await materials.of([]) == {}
    assert await materials.talk(DM) == TALK


async def test_a_talk_of_nothing_is_known_from_one_that_was_not_read(client: "Redis") -> None:
    materials = Materials(client, keep_s=60)
    assert await materials.talk(DM) is None
    await materials.keep_talk(DM, Talk())
    assert await materials.talk(DM) == Talk()


async def test_nothing_is_kept_for_ever(client: "Redis") -> None:
    materials = Materials(client, keep_s=60)
    await accepted(client, turn("t1"))
    await materials.keep("t1", MATERIAL)
    await materials.keep_talk(DM, TALK)
    for key in (keys.material("t1"), keys.talk(DM.key)):
        assert 0 < await client.ttl(key) <= 60


async def test_nothing_is_kept_of_a_turn_that_is_no_more_or_to_be_forgotten(
    client: "Redis",
) -> None:
    materials = Materials(client, keep_s=60)
    await materials.keep("t3", MATERIAL)
    await client.hset(keys.turn("t2"), "forgotten", "1")
    await materials.keep("t2", MATERIAL)
    assert await materials.of(["t2", "t3"]) == {}


async def test_what_another_version_kept_is_read_again(client: "Redis") -> None:
    await client.set(keys.material("t1"), '{"pages": 3}')
    await client.set(keys.talk(DM.key), '{"lines": "many"}')
    materials = Materials(client, keep_s=60)
    assert (await materials.of(["t1"])) in ({}, {"t1": Material()})
    assert await materials.talk(DM) is None
