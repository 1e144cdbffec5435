"""What a message of ours is made of, and what Slack thinks of it."""

from adapters.interaction import CONTROLS, Form, form_of, pressed
from adapters.sandbox.slack import CHANNEL_IDS, USER_IDS
from adapters.slack.blocks import blocks_of, buttons_of, message_of, private_of
from adapters.slack.dialect import LIMIT
from adapters.surface import Content
from tests.adapters.sandbox.slack_bench import slack

GENERAL = CHANNEL_IDS["general"]


def test_each_control_is_a_plain_button_that_names_itself_and_its_turn() -> None:
    [block] = buttons_of(CONTROLS, "t1")
    assert block["type"] == "actions"
    assert [pressed(one["action_id"]) for one in block["elements"]] == [
        (control, "t1") for control in CONTROLS
    ]
    assert {one["type"] for one in block["elements"]} == {"button"}
    assert len({one["text"]["text"] for one in block["elements"]}) == len(CONTROLS)


def test_without_controls_there_are_no_buttons() -> None:
    assert buttons_of((), "t1") == []
    assert [block["type"] for block in blocks_of(Content("It is so."), "t1")] == ["markdown"]


def test_what_is_written_pings_nobody() -> None:
    made = message_of(Content("<!channel> <@U1> <#C1> a < b"), "t1")
    for text in (made["text"], made["blocks"][0]["text"]):
        assert not any(sign in text for sign in ("<!", "<@", "<#"))
    assert "a < b" in made["blocks"][0]["text"]
    assert "a &lt; b" in made["text"]


def test_a_private_line_escapes_its_plain_text_and_offers_its_form() -> None:
    made = private_of("a <b> & <!here>", Form("reason", "t1"))
    assert made["text"] == "a &lt;b&gt; &amp; &lt;\u2060!here&gt;"
    [button] = made["blocks"][1]["elements"]
    assert form_of(button["action_id"]) == Form("reason", "t1")


async def test_slack_takes_the_longest_part_with_all_its_buttons_as_post_and_as_edit() -> None:
    content = Content("é" * (LIMIT // 2), CONTROLS)
    async with slack() as served:
        client = served.client()
        made = message_of(content, "a" * 32)
        posted = await client.chat_postMessage(channel=GENERAL, **made)
        await client.chat_update(channel=GENERAL, ts=posted["ts"], **made)
        await client.chat_postEphemeral(
            channel=GENERAL, user=USER_IDS["alice"], **private_of("x", Form("feedback"))
        )
        shown, private = served.world.messages(channel="general", user="alice")
        assert len(shown.buttons) == len(CONTROLS)
        assert [one.label for one in private.buttons] == ["Write it"]
        await client.chat_update(
            channel=GENERAL, ts=posted["ts"], **message_of(Content("short"), "t1")
        )
        assert served.world.messages(channel="general", user="alice")[0].buttons == ()
