"""The wiring: one chat core, the desk, and the sides of both platforms over them."""

from redis.asyncio import Redis

from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.commands import Commands
from adapters.desk import FrontDesk
from adapters.discord.adapter import PACES as DISCORD_PACES
from adapters.discord.adapter import DiscordAdapter
from adapters.pacing import Pacing
from adapters.side import Adapter, Side
from adapters.slack.adapter import PACES as SLACK_PACES
from adapters.slack.adapter import SlackAdapter
from adapters.slack.installations import store_of
from bot.composing import Composer
from bot.context.gathering import Gathering
from bot.core import Chat
from bot.domain import Platform, Release
from bot.feedback.voting import Voting
from bot.gate import Gate
from bot.generation import Generation
from bot.intake import Intake
from bot.model import Model
from bot.parts import Parts
from bot.settings import Settings
from bot.store.bot_rows import BotRows
from bot.store.forgetting import Forgetting
from bot.store.inbox import Inbox
from bot.store.materials import Materials
from bot.store.people import People
from bot.store.personas import Personas
from bot.store.places import Places
from bot.store.reasons import Reasons
from bot.store.refusals import Refusals
from bot.store.remarks import Remarks
from bot.store.stats import Activity
from bot.store.tickets import Tickets
from bot.store.turns import Turns
from bot.store.votes import Votes
from bot.store.wishes import Wishes
from bot.worker import Worker
from bot.worker_name import worker_name

DAY_S = 86_400.0


def sides_of(
    settings: Settings, client: "Redis", model: Model, release: Release
) -> dict[str, Side]:
    """The sides of the configured platforms by their names, over one chat core."""
    rooms = _Rooms(settings, client, model, release)
    sides: dict[str, Side] = {}
    if settings.slack.is_configured:
        sides["Slack"] = rooms.slack()
    if settings.discord.token is not None:
        sides["Discord"] = rooms.discord()
    return sides


class _Rooms:
    """What both platforms share, and the making of what each has of its own."""

    def __init__(self, settings: Settings, client: "Redis", model: Model, release: Release) -> None:
        chat = settings.chat
        self._settings = settings
        self._client = client
        self._places, self._people = Places(client), People(client)
        self._turns, self._tickets = Turns(client), Tickets(client, Turns(client))
        self._lacks: dict[Platform, DiscordAdapter] = {}
        personas, refusals = Personas(client), Refusals(client)
        gate = Gate(settings.access, refusals, BotRows(client))
        bounds = {"total": chat.max_waiting, "each": chat.max_waiting_conversation}
        self._inbox = Inbox(client, worker_name(settings.state_dir), **bounds)
        context = settings.context
        composer = Composer(
            turns=self._turns,
            model=model,
            release=release,
            chat=chat,
            personas=personas,
            context=Gathering(
                Materials(client, keep_s=context.keep_days * DAY_S), self._turns, context
            ),
            images=context.images,
        )
        self._chat = Chat(
            intake=Intake(
                self._inbox, self._turns, self._people, release.id, gate=gate, personas=personas
            ),
            inbox=self._inbox,
            turns=self._turns,
            wishes=Wishes(client, self._turns, **bounds),
            places=self._places,
            generation=Generation(composer, model, wait_s=settings.model.wait_s),
            chat=chat,
        )
        votes = Votes(client, self._turns, self._people)
        self._voting = Voting(self._turns, votes, self._people)
        self._book = Parts(self._turns, self._voting)
        commands = Commands(
            gate=gate,
            turns=self._turns,
            people=self._people,
            personas=personas,
            activity=Activity(client),
            forgetting=Forgetting(client, self._turns),
            refusals=refusals,
            remarks=Remarks(client),
            release=release,
            contact=settings.access.contact,
            lacks=self._lacking,
        )
        reasons = Reasons(client, self._turns, self._people)
        self._desk = FrontDesk(self._chat.hold, self._voting, reasons, commands)

    def slack(self) -> Side:
        """Slack's side."""
        settings = self._settings.slack
        border = self._border(Pacing(SLACK_PACES))
        catch_up = self._catch_up("slack", border)
        store = store_of(settings, self._client)
        adapter = SlackAdapter(settings, border, catch_up, self._places, self._desk, store=store)
        return self._side("slack", adapter, border, catch_up)

    def discord(self) -> Side:
        """Discord's side."""
        border = self._border(Pacing(DISCORD_PACES))
        catch_up = self._catch_up("discord", border)
        adapter = self._lacks["discord"] = DiscordAdapter(
            self._settings.discord, border, catch_up, self._places, self._tickets, self._desk
        )
        return self._side("discord", adapter, border, catch_up)

    def _lacking(self, platform: Platform) -> tuple[str, ...]:
        adapter = self._lacks.get(platform)
        return () if adapter is None else adapter.lacks

    def _border(self, pacing: Pacing) -> Border:
        return Border(
            self._chat,
            self._voting,
            self._people,
            pacing,
            self._book,
            give_up_s=self._settings.chat.resume_s,
            votes=self._settings.votes,
        )

    def _catch_up(self, platform: Platform, border: Border) -> CatchUp:
        return CatchUp(
            platform,
            rereads=border.rereads,
            turns=self._turns,
            places=self._places,
            asked_s=self._settings.chat.catch_up_s,
            voted_s=self._settings.chat.votes_back_s,
            is_holding=lambda: border.is_holding,
        )

    def _side(
        self, platform: Platform, adapter: Adapter, border: Border, catch_up: CatchUp
    ) -> Side:
        room = self._settings.chat.max_waiting
        worker = Worker(self._inbox, self._turns, platform, adapter.answer, room=room)
        return Side(adapter, border, worker, catch_up)
