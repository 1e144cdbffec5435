"""The table: each feature, and how it is seen on both platforms; what one has alone, and why."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from bot.domain import Platform
from tests.parity import answers, changing, commands, holding, reading, speaking, voting
from tests.parity.room import Room


@dataclass(frozen=True, slots=True)
class Feature:
    """What both platforms have; `run` sees it in a room of one of them."""

    name: str
    run: Callable[[Room], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Alone:
    """What one platform has alone; `proof` is a test as `module:function`, under tests.adapters."""

    name: str
    platform: Platform
    why: str
    proof: str


FEATURES: Final = (
    # First, since the bot puts thumbs under all answers, and the last of many wait for Slack's
    # limit on reactions.
    Feature("thumbs that are there to be clicked", voting.seeded),
    Feature("a mention is answered where it was asked", speaking.a_mention),
    Feature("a direct message is answered", speaking.a_direct_message),
    Feature("a follow-up in a thread needs no mention", speaking.a_follow_up),
    Feature("silence when somebody else is addressed", speaking.somebody_else),
    Feature("silence when everybody is addressed", speaking.everybody),
    Feature("who is refused is told, and can ask why", speaking.refused),
    Feature("an answer grows before it has ended", answers.it_grows),
    Feature("a long answer is whole over its messages", answers.it_is_whole),
    Feature("what the model writes pings nobody", answers.it_pings_nobody),
    Feature("Stop, by its button", holding.stopped_by_button),
    Feature("stop, by the word", holding.stopped_by_word),
    Feature("Continue", holding.continued),
    Feature("Try again, and both answers stand", holding.tried_again),
    Feature("a vote by a reaction", voting.by_reaction),
    Feature("a vote by a button", voting.by_button),
    Feature("a button and a reaction are one vote", voting.one_of_both),
    Feature("a vote is taken back", voting.taken_back),
    Feature("a reason for a thumb down, for the operators", voting.with_a_reason),
    Feature("/ask", commands.ask),
    Feature("Ask Candor about this", commands.ask_about),
    Feature("/candor help", commands.help_),
    Feature("/candor new", commands.new),
    Feature("/candor model", commands.model),
    Feature("/candor persona", commands.persona),
    Feature("/candor stats", commands.stats),
    Feature("/candor privacy", commands.privacy),
    Feature("/candor forget", commands.forget),
    Feature("/candor why", commands.why),
    Feature("/candor feedback", commands.remark),
    Feature("a thread is read once when the bot is called", reading.a_thread),
    Feature("a text file is read", reading.a_text),
    Feature("a PDF file is read", reading.a_pdf),
    Feature("a DOCX file is read", reading.a_docx),
    Feature("an image gets a clear line", reading.an_image),
    Feature("a forwarded message is read", reading.a_forwarded_message),
    Feature("a waiting question is edited or deleted", changing.a_question_that_waits),
    Feature("buttons work after a restart", changing.the_process),
)

ALONE: Final = (
    Alone(
        "a mention of the bot's role",
        "discord",
        "only Discord's autocomplete offers a role of the bot's name; Slack has user groups, "
        "which no app is in",
        "discord.test_discord_speaking:"
        "test_it_speaks_where_it_is_addressed_in_a_channel_and_nowhere_else",
    ),
    Alone(
        "a reply to the bot",
        "discord",
        "Slack has threads and no replies",
        "discord.test_discord_speaking:test_replies_are_said_to_whom_they_answer",
    ),
    Alone(
        "where people brought it, in servers and groups without it",
        "discord",
        "Slack has no app of one person that answers where it is no member",
        "discord.test_discord_followup:"
        "test_where_only_people_brought_it_an_answer_goes_by_the_token",
    ),
    Alone(
        "without the message content intent",
        "discord",
        "Slack shows an app all of what its scopes let it hear",
        "discord.test_discord_interactions:"
        "test_without_the_content_intent_all_ways_of_asking_work_and_it_says_what_it_lacks",
    ),
    Alone(
        "shards",
        "discord",
        "Slack spreads events over any sockets there are",
        "discord.test_discord_shards:"
        "test_there_is_a_connection_for_each_shard_and_each_event_comes_once",
    ),
    Alone(
        "typing",
        "discord",
        "Slack shows bots no typing; there is a status instead",
        "discord.test_discord_surface:test_typing_is_shown_while_busy",
    ),
    Alone(
        "reactions that a moderator clears",
        "discord",
        "on Slack everybody takes back their own reactions only",
        "discord.test_discord_adapter:test_cleared_reactions_are_read_back",
    ),
    Alone(
        "a native stream in direct messages",
        "slack",
        "Discord has edits only",
        "slack.test_slack_stream:"
        "test_an_answer_is_streamed_in_the_thread_of_its_question_to_its_end",
    ),
    Alone(
        "the platform's own Stop",
        "slack",
        "Discord has none",
        "slack.test_slack_interactions:test_slack_s_own_stop_reaches_the_desk",
    ),
    Alone(
        "the status “is thinking…”",
        "slack",
        "Discord shows typing instead",
        "slack.test_slack_stream:test_a_status_is_shown_until_there_is_something_to_read",
    ),
    Alone(
        "workspaces that install the app",
        "slack",
        "one token of Discord's serves every server that invites the bot",
        "slack.test_slack_install:test_two_workspaces_are_served_side_by_side_and_do_not_mix",
    ),
    Alone(
        "people of other workspaces",
        "slack",
        "whoever writes in a Discord server is a member of it",
        "slack.test_slack_interactions:"
        "test_whoever_presses_from_another_workspace_is_outside_and_no_moderator",
    ),
)
