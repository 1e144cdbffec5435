// What the bot's application offers a person beyond text: buttons under a message, entries of its
// menu, slash commands while they are typed, and the form that is open.

import { setText } from "./dom.js";

const template = document.getElementById("modal-template");

function button(className, words) {
  const node = document.createElement("button");
  node.type = "button";
  node.className = className;
  setText(node, words);
  return node;
}

// Makes `row` show a button for each of `wanted` ({id, label, disabled}); nodes that stay are kept,
// so that focus survives an edit of the message.
export function showButtons(row, wanted, press) {
  const nodes = new Map([...row.children].map((node) => [node.dataset.button, node]));
  const ids = new Set(wanted.map(({ id }) => id));
  for (const [id, node] of nodes) if (!ids.has(id)) node.remove();
  wanted.forEach(({ id, label, disabled }, place) => {
    let node = nodes.get(id);
    if (!node) {
      node = button("press", label);
      node.dataset.button = id;
      node.addEventListener("click", async () => {
        node.ariaBusy = "true";
        await press(id);
        node.ariaBusy = "false";
      });
    }
    setText(node, label);
    node.disabled = Boolean(disabled);
    if (row.children[place] !== node) row.insertBefore(node, row.children[place] ?? null);
  });
}

// Makes the menu of a message offer the application's entries by name.
export function showShortcuts(menu, names, use) {
  const shown = [...menu.querySelectorAll(".shortcut")];
  if (shown.map((node) => node.textContent).join("\n") === names.join("\n")) return;
  for (const node of shown) node.remove();
  for (const name of names) {
    const node = button("shortcut", name);
    node.addEventListener("click", () => use(name));
    menu.append(node);
  }
}

// The commands that begin with what is typed, as a list to choose from.
export class Hints {
  constructor(list, box) {
    this.list = list;
    this.box = box;
    this.commands = [];
    box.addEventListener("input", () => this.show());
    box.addEventListener("blur", () => setTimeout(() => this.hide(), 150));
    box.addEventListener("focus", () => this.show());
  }

  hide() {
    this.list.hidden = true;
  }

  show() {
    const typed = this.box.value;
    const fitting = typed.startsWith("/")
      ? this.commands.filter(({ name }) => `/${name}`.startsWith(typed.trimEnd()))
      : [];
    this.list.hidden = fitting.length === 0;
    this.list.replaceChildren(...fitting.map((command) => {
      const node = document.createElement("li");
      const choose = button("hint-command", `/${command.name}`);
      const about = document.createElement("span");
      about.textContent = command.about;
      choose.append(about);
      choose.addEventListener("click", () => {
        this.box.value = `/${command.name}${command.takes_text ? " " : ""}`;
        this.hide();
        this.box.focus();
      });
      node.append(choose);
      return node;
    }));
  }
}

// The form that is open before a person; `act` holds submit(id, values) and dismiss(id), which
// return whether it went well, in which case the form is closed by the next look at the state.
export class Modal {
  constructor(host, act) {
    this.root = template.content.firstElementChild.cloneNode(true);
    this.act = act;
    this.shown = null;
    host.append(this.root);
    this.root.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.root.querySelector(".leave").addEventListener("click", () => this.leave());
    this.root.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.leave();
    });
  }

  show(modal) {
    if ((modal?.id ?? null) === (this.shown?.id ?? null)) return;
    this.shown = modal;
    this.fail(null);
    if (!modal) {
      this.root.close();
      return;
    }
    setText(this.root.querySelector("h2"), modal.title);
    setText(this.root.querySelector(".submit"), modal.submit);
    this.root.querySelector(".fields").replaceChildren(...modal.fields.map(fieldOf));
    if (!this.root.open) this.root.showModal();
  }

  async submit() {
    if (!this.shown) return;
    const fields = [...this.root.querySelectorAll("[data-field]")];
    const values = Object.fromEntries(fields.map((node) => [node.dataset.field, node.value]));
    this.fail(await this.act.submit(this.shown.id, values));
  }

  async leave() {
    if (this.shown) this.fail(await this.act.dismiss(this.shown.id));
  }

  fail(error) {
    const line = this.root.querySelector(".problem");
    line.hidden = error === null;
    setText(line, error?.message ?? "");
  }
}

function fieldOf(field) {
  const label = document.createElement("label");
  const words = document.createElement("span");
  words.textContent = field.label;
  const input = document.createElement(field.multiline ? "textarea" : "input");
  input.dataset.field = field.id;
  input.value = field.value;
  input.placeholder = field.placeholder;
  input.maxLength = field.max_length;
  input.required = field.required;
  if (field.multiline) input.rows = 4;
  label.append(words, input);
  return label;
}
