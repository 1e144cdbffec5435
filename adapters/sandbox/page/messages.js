// One conversation's messages as DOM nodes, kept by message id: a message that did not change is
// not touched, one that grew keeps its node, so that selection, focus and scroll survive.

import { showButtons, showShortcuts } from "./interactive.js";
import { render } from "./markdown.js";

const QUICK = ["👍", "👎"];

const DISCORD_EPOCH_MS = 1_420_070_400_000n;
const GROUP_MS = 5 * 60_000;

const template = document.getElementById("message-template");
const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat([], { dateStyle: "full", timeStyle: "medium" });

// A platform gives the character of an emoji where there is one, and a custom emoji's name.
function symbol(emoji) {
  return /^[\w+'-]{2,}/.test(emoji) ? `:${emoji}:` : emoji;
}

// Both platforms write the time into the id: a Slack ts in seconds, a Discord snowflake above
// bit 22 in milliseconds since 2015.
function timeOf(id) {
  if (/^\d+\.\d+$/.test(id)) return Number.parseFloat(id) * 1000;
  if (/^\d{15,20}$/.test(id)) return Number((BigInt(id) >> 22n) + DISCORD_EPOCH_MS);
  return null;
}

function excerpt(view) {
  const line = view.text.replaceAll(/\s+/g, " ").trim();
  return `${view.user}: ${line.length > 60 ? `${line.slice(0, 60)}…` : line}`;
}

function named(people) {
  return people.length < 2 ? people.join("") : `${people.slice(0, -1).join(", ")} and ${people.at(-1)}`;
}

export class Messages {
  // `act` holds what a click does: react(view, emoji, present), reply(view), thread(parentView),
  // edit(view), remove(view), press(view, button), shortcut(view, name). `shortcuts` are the entries
  // of each message's menu that come from the bot's application.
  constructor(list, { handles, threads, replies, act }) {
    this.list = list;
    this.handles = handles;
    this.threads = threads;
    this.replies = replies;
    this.act = act;
    this.shortcuts = [];
    this.views = new Map();
    this.under = new Map();
    this.nodes = new Map();
  }

  // Show `views` (oldest first, replies in threads included) as `person` sees them in `channel`.
  show(views, { person, channel }) {
    this.views = new Map(views.map((view) => [view.id, view]));
    const top = [];
    const under = new Map(); // replies by the id of the message that they hang under
    for (const view of views) {
      const parent = view.thread !== null && view.thread !== view.id ? view.thread : null;
      if (parent === null || !this.views.has(parent)) top.push(view);
      else if (under.has(parent)) under.get(parent).push(view);
      else under.set(parent, [view]);
    }
    this.under = under;
    for (const [id, node] of this.nodes) {
      if (this.views.has(id)) continue;
      node.remove();
      this.nodes.delete(id);
    }
    this.place(this.list, top, { person, channel });
    for (const view of top) {
      const node = this.nodes.get(view.id);
      const replies = under.get(view.id) ?? [];
      const thread = node.querySelector(":scope > .thread");
      thread.hidden = replies.length === 0;
      node.querySelector(":scope > .body .start-thread").hidden =
        replies.length > 0 || !this.threads(channel) || view.private;
      this.place(thread.querySelector(".messages"), replies, { person, channel });
    }
  }

  clear() {
    this.list.replaceChildren();
    this.nodes.clear();
    this.views = new Map();
  }

  place(list, views, scene) {
    let next = list.firstElementChild;
    let previous = null;
    for (const view of views) {
      const node = this.nodes.get(view.id) ?? this.create(view);
      if (node === next) next = next.nextElementSibling;
      else list.insertBefore(node, next);
      this.update(node, view, previous, scene);
      previous = view;
    }
  }

  create(view) {
    const node = template.content.firstElementChild.cloneNode(true);
    node.dataset.message = view.id;
    node.dataset.user = view.user;
    node.dataset.bot = view.bot;
    const part = (name) => node.querySelector(`:scope > .body ${name}`);
    part(".avatar").textContent = view.user.slice(0, 1).toUpperCase();
    part(".name").textContent = view.user;
    part(".badge").hidden = !view.bot;
    const at = timeOf(view.id);
    if (at !== null) {
      const time = part("time");
      time.dateTime = new Date(at).toISOString();
      time.textContent = clock.format(at);
      time.title = calendar.format(at);
    }
    const current = () => this.views.get(view.id);
    part(".reply").addEventListener("click", () => this.act.reply(current()));
    part(".start-thread").addEventListener("click", () => this.act.thread(current()));
    part(".edit").addEventListener("click", () => this.act.edit(current()));
    part(".delete").addEventListener("click", () => this.act.remove(current()));
    node.querySelector(":scope > .thread > .answer")
      .addEventListener("click", () => this.act.thread(current()));
    this.nodes.set(view.id, node);
    return node;
  }

  update(node, view, previous, { person, channel }) {
    const quoted = view.reply_to === null ? null : this.views.get(view.reply_to);
    const grouped = previous !== null && previous.user === view.user && view.reply_to === null
      && timeOf(view.id) - timeOf(previous.id) < GROUP_MS && !this.under.has(previous.id);
    const drawn = JSON.stringify(
      [view, quoted && excerpt(quoted), grouped, person, channel, this.shortcuts]);
    if (node.drawn === drawn) return;
    node.drawn = drawn;
    node.classList.toggle("grouped", grouped);
    const part = (name) => node.querySelector(`:scope > .body ${name}`);
    const quote = part(".quote");
    quote.hidden = view.reply_to === null;
    quote.textContent = quoted ? excerpt(quoted) : "a message that is gone";
    render(part(".text"), view.text, this.handles);
    part(".edited").hidden = !view.edited;
    part(".private").hidden = !view.private;
    showButtons(part(".buttons"), view.buttons ?? [], (id) =>
      this.act.press(this.views.get(view.id), id));
    showShortcuts(part(".actions"), view.private ? [] : this.shortcuts, (name) =>
      this.act.shortcut(this.views.get(view.id), name));
    part(".reply").hidden = !this.replies || view.private;
    part(".edit").hidden = view.user !== person;
    part(".delete").hidden = view.user !== person;
    this.updateReactions(part(".reactions"), view, person);
  }

  updateReactions(row, view, person) {
    const wanted = new Map();
    if (view.bot && !view.private) for (const quick of QUICK) wanted.set(quick, { emoji: quick, users: [] });
    for (const reaction of view.reactions) wanted.set(reaction.emoji, reaction);
    const chips = new Map([...row.children].map((chip) => [chip.dataset.emoji, chip]));
    for (const [emoji, chip] of chips) if (!wanted.has(emoji)) chip.remove();
    for (const [emoji, { users }] of wanted) {
      const chip = chips.get(emoji) ?? this.chip(view.id, emoji);
      if (!chip.isConnected) row.append(chip);
      const mine = users.includes(person);
      chip.ariaPressed = String(mine);
      chip.classList.toggle("none", users.length === 0);
      chip.lastElementChild.textContent = users.length || "";
      const who = users.length ? `${named(users)} reacted with ${symbol(emoji)}` : `React with ${emoji}`;
      chip.title = who;
      chip.ariaLabel = who;
    }
  }

  chip(id, emoji) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.dataset.emoji = emoji;
    const face = document.createElement("span");
    face.textContent = symbol(emoji);
    chip.append(face, document.createElement("span"));
    chip.addEventListener("click", () => {
      this.act.react(this.views.get(id), emoji, chip.ariaPressed !== "true");
    });
    return chip;
  }
}
