// One platform's side of the page: its channels, the messages of the one that is shown, and the
// box to write in, all as one chosen person.

import { call } from "./api.js";
import { Attachments } from "./attach.js";
import { setText } from "./dom.js";
import { Hints, Modal } from "./interactive.js";
import { Messages } from "./messages.js";

const TITLES = { slack: "Slack", discord: "Discord" };
const NEAR_BOTTOM_PX = 48;
const SHOWN = 200; // messages at most: the whole of a long channel would be read at each change

// Runs `work` again after each call, never twice at once, and once for calls that came meanwhile.
export function coalesced(work) {
  let running = null;
  let again = false;
  return () => {
    again = true;
    running ??= (async () => {
      try {
        while (again) {
          again = false;
          await work();
        }
      } finally {
        running = null;
      }
    })();
    return running;
  };
}

export class Side {
  constructor(name, state) {
    this.name = name;
    this.bot = state.bot;
    const offered = state.platforms.find((platform) => platform.name === name);
    // Only a platform that has them says what commands there are.
    this.interactive = Boolean(offered.commands);
    const channels = offered.channels ?? state.channels;
    this.channel = channels[0];
    this.person = state.people[0];
    // What is about to be answered or edited: {kind: "thread" | "reply" | "edit", view}.
    this.target = null;
    this.root = document.getElementById("side-template").content.firstElementChild.cloneNode(true);
    this.root.id = name;
    this.root.dataset.platform = name;
    this.title = TITLES[name] ?? name;
    this.find("h2").textContent = this.title;
    this.find(".glyph").textContent = this.title.slice(0, 1);
    this.root.ariaLabel = this.title;
    this.find(".channels").ariaLabel = `Channels on ${this.title}`;
    this.messages = new Messages(this.find(".scroll > .messages"), {
      handles: new Set([state.bot, ...state.people]),
      // Discord has no threads in direct messages, Slack has no replies outside threads.
      threads: (channel) => name !== "discord" || state.channels.includes(channel) && channel !== "dm",
      replies: name === "discord",
      act: {
        react: (view, emoji, present) => this.react(view, emoji, present),
        reply: (view) => this.aim({ kind: "reply", view }),
        thread: (view) => this.aim({ kind: "thread", view }),
        edit: (view) => this.aim({ kind: "edit", view }),
        remove: (view) => this.change({ message: view.id }, "DELETE"),
        press: (view, button) => this.change({ message: view.id, button }, "POST", "press"),
        shortcut: (view, name) => this.change({ message: view.id, name }, "POST", "shortcut"),
      },
    });
    this.refresh = coalesced(() => this.read());
    this.hints = new Hints(this.find(".hints"), this.find(".write"));
    this.modal = new Modal(this.root, {
      submit: (modal, values) => this.form("submit", { modal, values }),
      dismiss: (modal) => this.form("dismiss", { modal }),
    });
    this.buildChannels(channels);
    this.buildComposer(state.people);
    this.watchScroll();
    this.describe();
  }

  find(selector) {
    return this.root.querySelector(selector);
  }

  buildChannels(channels) {
    for (const channel of channels) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.channel = channel;
      const sign = document.createElement("span");
      sign.className = "sign";
      sign.ariaHidden = "true";
      sign.textContent = channel === "dm" ? "@" : "#";
      button.append(sign, channel === "dm" ? "Direct message" : channel);
      button.addEventListener("click", () => this.go({ channel }));
      this.find(".channels").append(button);
    }
  }

  buildComposer(people) {
    const select = this.find(".person");
    for (const person of people) select.add(new Option(person, person));
    select.ariaLabel = `Write on ${this.title} as`;
    select.addEventListener("change", () => this.go({ person: select.value }));
    const box = this.find(".write");
    box.addEventListener("keydown", (event) => {
      // Enter also ends the composition of an accented or CJK character; that one sends nothing.
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        this.find(".composer").requestSubmit();
      } else if (event.key === "Escape") this.aim(null);
    });
    this.find(".composer").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    this.find(".cancel").addEventListener("click", () => this.aim(null));
    this.attachments = new Attachments(this.find(".composer .tools"), box);
    const mention = this.find(".mention-bot");
    mention.textContent = `@${this.bot}`;
    mention.title = `Put @${this.bot} into the message`;
    mention.addEventListener("click", () => {
      const before = box.value.slice(0, box.selectionStart);
      const gap = before && !/\s$/.test(before) ? " " : "";
      box.setRangeText(`${gap}@${this.bot} `, box.selectionStart, box.selectionEnd, "end");
      box.focus();
    });
  }

  watchScroll() {
    const scroll = this.find(".scroll");
    const latest = this.find(".latest");
    this.atBottom = true;
    scroll.addEventListener("scroll", () => {
      this.atBottom =
        scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_BOTTOM_PX;
      latest.hidden = this.atBottom;
    });
    latest.addEventListener("click", () => {
      scroll.scrollTop = scroll.scrollHeight;
    });
    // The height changes with the window and with the box below; what was at the bottom stays.
    new ResizeObserver(() => {
      if (this.atBottom) scroll.scrollTop = scroll.scrollHeight;
    }).observe(scroll);
  }

  // Show another channel, or the same as another person.
  go({ channel = this.channel, person = this.person }) {
    const moved = channel !== this.channel || (channel === "dm" && person !== this.person);
    this.channel = channel;
    this.person = person;
    if (moved) {
      this.messages.clear();
      this.atBottom = true;
    }
    // What one person edits, another may not.
    if (moved || this.target?.kind === "edit") this.aim(null, { focus: false });
    this.fail(null);
    this.describe();
    this.refresh();
  }

  // Say what the next message answers or edits; null for none.
  aim(target, { focus = true } = {}) {
    const box = this.find(".write");
    if (target?.kind === "edit") box.value = target.view.text;
    else if (this.target?.kind === "edit") box.value = "";
    this.target = target;
    const context = this.find(".context");
    context.hidden = target === null;
    if (target) {
      const { kind, view } = target;
      const verb = { thread: "Answering in the thread of", reply: "Replying to", edit: "Editing" }[kind];
      const line = view.text.replaceAll(/\s+/g, " ").trim();
      context.firstElementChild.textContent = `${verb} ${view.user}: ${line}`;
    }
    this.describe();
    if (focus) box.focus();
  }

  describe() {
    const place = this.channel === "dm" ? this.bot : `#${this.channel}`;
    const box = this.find(".write");
    box.placeholder = this.target && this.target.kind !== "edit" ? "Your answer" : `Message ${place}`;
    box.ariaLabel = `Message ${place} on ${this.title} as ${this.person}`;
    this.find(".scroll").ariaLabel = `Messages in ${place} on ${this.title}`;
    this.find(".mention-bot").hidden = this.channel === "dm";
    this.find(".as .avatar").textContent = this.person.slice(0, 1).toUpperCase();
    this.find(".as").dataset.user = this.person;
    this.find(".empty-text").textContent = this.channel === "dm"
      ? `This is ${this.person}’s direct message with ${this.bot}. Just write.`
      : `Ask something: “@${this.bot} what can you do?”`;
    this.root.dataset.channel = this.channel;
    for (const button of this.find(".channels").children) {
      const current = button.dataset.channel === this.channel;
      if (current) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }

  async read() {
    const { channel, person } = this;
    const query = new URLSearchParams({ channel, user: person, newest: SHOWN });
    try {
      const [state, views, { modal }] = await Promise.all([
        call("state"),
        call(`${this.name}/messages?${query}`),
        this.interactive ? call(`${this.name}/modal?${new URLSearchParams({ user: person })}`) : {},
      ]);
      // Somebody went elsewhere meanwhile; the read for that place is already asked for.
      if (channel !== this.channel || person !== this.person) return;
      this.showState(state.platforms.find((platform) => platform.name === this.name));
      this.messages.show(views, { person, channel });
      this.modal.show(modal ?? null);
      this.find(".empty").hidden = views.length > 0;
      const scroll = this.find(".scroll");
      if (this.atBottom) scroll.scrollTop = scroll.scrollHeight;
    } catch (error) {
      // A server that cannot be reached is told once, on top of the page.
      if (!(error instanceof TypeError)) this.fail(error);
    }
  }

  showState({ connected, activity, commands = [], shortcuts = [] }) {
    this.hints.commands = commands;
    this.messages.shortcuts = shortcuts;
    const connection = this.find(".connection");
    connection.dataset.connected = connected;
    const words = connected ? `${this.bot} is connected` : `waiting for ${this.bot} to connect`;
    setText(connection.querySelector(".words"), words);
    const here = activity.find(({ channel, user }) =>
      channel === this.channel && (user === null || user === this.person));
    const doing = here && (here.text === "typing" ? "is typing…" : here.text);
    this.find(".scroll").ariaBusy = String(Boolean(here));
    setText(this.find(".activity"), doing ? `${this.bot} ${doing}` : "");
  }

  async send() {
    const box = this.find(".write");
    const text = box.value;
    const { target, attachments: { files } } = this;
    if (!(text.trim() || files.length) || this.sending) return;
    if (target?.kind === "edit") {
      if (await this.change({ message: target.view.id, text }, "PATCH")) this.aim(null);
      return;
    }
    if (this.interactive && text.startsWith("/")) {
      this.sending = true;
      this.hints.hide();
      const thread = target?.view.thread ?? (target?.kind === "thread" ? target.view.id : null);
      if (await this.change({ text, thread }, "POST", "command") && box.value === text) box.value = "";
      this.sending = false;
      return;
    }
    this.sending = true;
    const thread = target?.kind === "thread" ? target.view.thread ?? target.view.id
      : target?.view.thread ?? null;
    const reply_to = target?.kind === "reply" ? target.view.id : null;
    let sent = null;
    try {
      const message = { channel: this.channel, user: this.person, text, thread };
      sent = files.length
        ? await call(`${this.name}/uploads`, { ...message, files: await this.attachments.encoded() })
        : await call(`${this.name}/messages`, { ...message, reply_to });
      this.attachments.set(this.attachments.files.filter((file) => !files.includes(file)));
      // Only what was sent goes; a person may have typed on.
      box.value = box.value.startsWith(text) ? box.value.slice(text.length) : box.value;
      if (target?.kind === "reply" && this.target === target) this.aim(null);
      if (!target) this.atBottom = true;
      this.fail(null);
    } catch (error) {
      this.fail(error);
    } finally {
      this.sending = false;
    }
    await this.refresh();
    // What goes into a thread further up is not at the bottom.
    if (sent && thread) this.messages.nodes.get(sent.id)?.scrollIntoView({ block: "nearest" });
  }

  react(view, emoji, present) {
    return this.change({ message: view.id, emoji, present }, "POST", "reactions");
  }

  // Change a message of this channel as this person; whether it went well.
  async change(what, method, route = "messages") {
    let error = null;
    try {
      const place = { channel: this.channel, user: this.person };
      await call(`${this.name}/${route}`, { ...place, ...what }, method);
    } catch (refusal) {
      error = refusal;
    }
    this.fail(error);
    await this.refresh();
    return error === null;
  }

  // Hand in or close the form that is open; the refusal, if there is one.
  async form(route, what) {
    let error = null;
    try {
      await call(`${this.name}/${route}`, { user: this.person, ...what });
    } catch (refusal) {
      error = refusal;
    }
    await this.refresh();
    return error;
  }

  fail(error) {
    const line = this.find(".error");
    line.hidden = error === null;
    line.textContent = error?.message ?? "";
  }
}
