// The panel of faults: choose one, arm it, see what waits and what has fired.

import { call } from "./api.js";
import { coalesced } from "./side.js";

const SHOWN_FIRED = 50;

export class FaultPanel {
  // `platforms` are names, each with the kinds of faults that there are.
  constructor(platforms) {
    this.root = document.getElementById("faults");
    this.form = this.root.querySelector("form");
    this.kinds = new Map(platforms.map(({ name, kinds }) => [name, kinds]));
    this.platforms = [...this.kinds.keys()];
    this.refresh = coalesced(() => this.read());
    fill(this.form.elements.platform, this.platforms);
    this.form.elements.platform.addEventListener("change", () => this.offerKinds());
    this.form.elements.kind.addEventListener("change", () => this.offerOptions());
    this.form.elements.on.addEventListener("change", () => this.offerTimes());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.act(() => this.arm());
    });
    this.root.querySelector(".clear").addEventListener("click", () => this.act(async () => {
      for (const name of this.platforms) await call(`${name}/faults`, undefined, "DELETE");
    }));
    this.root.addEventListener("toggle", () => this.refresh());
    this.offerKinds();
  }

  get kind() {
    const { platform, kind } = this.form.elements;
    return this.kinds.get(platform.value).find(({ name }) => name === kind.value);
  }

  offerKinds() {
    const { platform, kind } = this.form.elements;
    fill(kind, this.kinds.get(platform.value).map(({ name }) => name), kind.value);
    this.offerOptions();
  }

  offerOptions() {
    const { variant, on, seconds, code } = this.form.elements;
    const kind = this.kind;
    this.root.querySelector(".about").textContent = kind.about;
    fill(variant, kind.variants);
    offer(variant, kind.variants.length > 0);
    fill(on, ["", ...kind.on]);
    on.options[0].text = kind.at_once ? "now" : "at the next of any";
    for (const [input, value] of [[seconds, kind.seconds], [code, kind.code]]) {
      offer(input, value !== null);
      input.value = value ?? "";
    }
    this.offerTimes();
  }

  // What happens now happens once.
  offerTimes() {
    const { on, times } = this.form.elements;
    offer(times, !this.kind.at_once || on.value !== "");
  }

  async arm() {
    const { platform, kind, variant, on, seconds, code, times } = this.form.elements;
    const body = { kind: kind.value };
    if (!variant.disabled) body.variant = variant.value;
    if (on.value) body.on = on.value;
    for (const input of [seconds, code, times]) {
      if (!input.disabled && input.value) body[input.name] = Number(input.value);
    }
    await call(`${platform.value}/faults`, body);
  }

  // Do something, and show the refusal if there is one.
  async act(work) {
    const line = this.root.querySelector(".error");
    try {
      await work();
      line.hidden = true;
    } catch (error) {
      line.textContent = error.message;
      line.hidden = false;
    }
    await this.refresh();
  }

  async read() {
    const count = this.root.querySelector(".count");
    if (!this.root.open) {
      count.textContent = "";
      return;
    }
    const armed = [];
    const fired = [];
    let total = 0;
    try {
      for (const name of this.platforms) {
        const state = await call(`${name}/faults?newest=${SHOWN_FIRED}`);
        armed.push(...state.armed.map((one) => ({ ...one, platform: name })));
        fired.push(...state.fired.map((one) => ({ ...one, platform: name })));
        total += state.num_fired;
      }
    } catch (error) {
      // A server that cannot be reached is told once, on top of the page.
      if (error instanceof TypeError) return;
      throw error;
    }
    fired.sort((one, other) => other.at - one.at);
    count.textContent = armed.length || total ? `${armed.length} armed, ${total} fired` : "";
    this.root.querySelector(".clear").hidden = armed.length === 0;
    this.showArmed(armed);
    this.root.querySelector(".fired").replaceChildren(
      ...fired.slice(0, SHOWN_FIRED).map((one) => line(firedWords(one))));
  }

  showArmed(armed) {
    const list = this.root.querySelector(".armed");
    const focused = list.contains(document.activeElement) && document.activeElement.dataset.fault;
    list.replaceChildren(...armed.map((one) => {
      const words = armedWords(one);
      const item = line(words);
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "✕";
      button.ariaLabel = `Take back ${words}`;
      button.dataset.fault = `${one.platform}/${one.id}`;
      button.addEventListener("click", () =>
        this.act(() => call(`${one.platform}/faults/${one.id}`, undefined, "DELETE")));
      item.append(button);
      return item;
    }));
    // The list is drawn anew while a person may be walking through it with the keyboard.
    if (focused) {
      const again = list.querySelector(`[data-fault="${focused}"]`) ?? list.querySelector("button");
      (again ?? this.form.elements.kind).focus();
    }
  }
}

function armedWords({ platform, kind, variant, on, channel, times, num_fired, probability }) {
  const often = times === null ? "without end" : `${times - num_fired} more`;
  const chance = probability < 1 ? `chance ${probability}` : "";
  return said([platform, kind, variant, on && `on ${on}`, channel && `#${channel}`, often, chance]);
}

function firedWords({ platform, kind, variant, name, channel, at }) {
  const time = new Date(at * 1000).toLocaleTimeString();
  return said([time, platform, kind, variant, name && `on ${name}`, channel && `#${channel}`]);
}

function said(words) {
  return words.filter(Boolean).join(" · ");
}

function line(words) {
  const item = document.createElement("li");
  item.append(words);
  return item;
}

// Show the names as a select's options, and keep the chosen one where it is among them.
function fill(select, names, chosen = "") {
  select.replaceChildren(...names.map((name) => new Option(name, name)));
  if (names.includes(chosen)) select.value = chosen;
}

function offer(field, offered) {
  field.disabled = !offered;
  field.parentElement.hidden = !offered;
}
