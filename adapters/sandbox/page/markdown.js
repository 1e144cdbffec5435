// A small, safe Markdown: text in, DOM nodes out. Nothing is ever parsed as HTML; what is not
// a code block, list, heading, quote or emphasis stays the text that it is.

const FENCE = /^\s*(`{3,}|~{3,})\s*([\w+#.-]*)[^`]*$/;
const HEADING = /^(#{1,6})\s+(.+)$/;
const ITEM = /^(\s*)([-*+•]|\d{1,9}[.)])\s+(.*)$/;
const QUOTE = /^>\s?(.*)$/;

// Bounded spans keep unclosed marks in a long text from costing quadratic time.
const INLINE = new RegExp(
  [
    /(?<ticks>`{1,8})(?<code>[^`\n]{1,1000}|[^\n]{1,1000}?[^`\n])\k<ticks>(?!`)/,
    /\*\*(?=\S)(?<strong>[^]{1,1000}?)(?<=\S)\*\*/,
    /\*(?=[^\s*])(?<em>[^*]{1,1000})(?<=\S)\*/,
    /(?<!\w)_(?=[^\s_])(?<under>[^_]{1,1000})(?<=\S)_(?!\w)/,
    /~~(?=\S)(?<strike>[^~]{1,1000})(?<=\S)~~/,
    /(?<![\w@.])@(?<handle>[a-z]{2,32})(?![\w])/,
  ].map((each) => each.source).join("|"),
  "g",
);

function inline(text, handles) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    const { code, strong, em, under, strike, handle } = match.groups;
    if (handle !== undefined && !handles.has(handle)) continue;
    nodes.push(text.slice(end, match.index));
    end = match.index + match[0].length;
    if (code !== undefined) nodes.push(element("code", code));
    else if (handle !== undefined) nodes.push(element("span", match[0], "mention"));
    else {
      const name = strong !== undefined ? "strong" : strike !== undefined ? "s" : "em";
      const node = element(name);
      node.append(...inline(strong ?? em ?? under ?? strike, handles));
      nodes.push(node);
    }
  }
  nodes.push(text.slice(end));
  return nodes;
}

function element(name, text = "", className = "") {
  const node = document.createElement(name);
  node.textContent = text;
  if (className) node.className = className;
  return node;
}

// Blocks of lines: [{kind, lines, ...}]. The source of each tells whether it must be drawn again.
function blocks(text) {
  const found = [];
  let fence = null;
  let last = null;
  const open = (kind, line, more = {}) => {
    last = { kind, lines: [line], ...more };
    found.push(last);
  };
  for (const line of text.split("\n")) {
    if (fence) {
      const closing = line.trim();
      if (closing.length >= fence.length && closing === fence[0].repeat(closing.length)) {
        fence = null;
        last = null;
      } else last.lines.push(line);
      continue;
    }
    const fenced = FENCE.exec(line);
    const heading = HEADING.exec(line);
    const item = ITEM.exec(line);
    const quote = QUOTE.exec(line);
    if (fenced) {
      fence = fenced[1];
      open("code", "", { language: fenced[2] });
      last.lines.pop();
    } else if (!line.trim()) {
      if (last?.kind !== "list") last = null;
      else last.loose = true;
    } else if (heading) {
      open("heading", heading[2], { level: heading[1].length });
      last = null;
    } else if (item) {
      if (last?.kind === "list") last.lines.push(line);
      else open("list", line);
      last.loose = false;
    } else if (quote) {
      if (last?.kind === "quote") last.lines.push(quote[1]);
      else open("quote", quote[1]);
    } else if (last?.kind === "list" && (!last.loose || /^\s{2,}/.test(line))) {
      last.lines.push(line);
    } else if (last?.kind === "text") last.lines.push(line);
    else open("text", line);
  }
  return found;
}

function list(lines, handles) {
  const root = document.createDocumentFragment();
  const stack = []; // open lists, from the outermost in: {indent, node}
  for (const line of lines) {
    const item = ITEM.exec(line);
    if (!item) {
      stack.at(-1).node.lastElementChild.append("\n", ...inline(line.trim(), handles));
      continue;
    }
    const [, space, marker, text] = item;
    while (stack.length > 1 && space.length < stack.at(-1).indent) stack.pop();
    const top = stack.at(-1);
    const name = /\d/.test(marker) ? "ol" : "ul";
    if (!top || space.length > top.indent + 1) {
      const node = document.createElement(name);
      if (name === "ol") node.start = Number.parseInt(marker, 10);
      (top ? top.node.lastElementChild : root).append(node);
      stack.push({ indent: space.length, node });
    } else if (top.node.localName !== name) {
      const node = document.createElement(name);
      top.node.after(node);
      top.node = node;
    }
    const entry = element("li");
    entry.append(...inline(text, handles));
    stack.at(-1).node.append(entry);
  }
  return root;
}

function build(block, handles) {
  const text = block.lines.join("\n");
  if (block.kind === "code") {
    const node = element("pre");
    node.append(element("code", text));
    node.tabIndex = 0;
    if (block.language) node.dataset.language = block.language;
    return node;
  }
  if (block.kind === "list") {
    const node = element("div", "", "list");
    node.append(list(block.lines, handles));
    return node;
  }
  // Messages sit below the page's own headings, so theirs carry the role and not the element.
  const node = element(block.kind === "quote" ? "blockquote" : "p");
  if (block.kind === "heading") {
    node.className = "heading";
    node.dataset.level = block.level;
    node.role = "heading";
    node.ariaLevel = String(Math.min(block.level + 2, 6));
  }
  node.append(...inline(text, handles));
  return node;
}

// Draw `text` into `container`. Blocks that did not change keep their nodes, so that a selection
// in an answer survives while the answer grows below it.
export function render(container, text, handles) {
  const wanted = blocks(text.replaceAll("\r\n", "\n"));
  wanted.forEach((block, index) => {
    const source = JSON.stringify(block);
    const shown = container.children[index];
    if (shown?.source === source) return;
    const node = build(block, handles);
    node.source = source;
    if (shown) shown.replaceWith(node);
    else container.append(node);
  });
  while (container.children.length > wanted.length) container.lastElementChild.remove();
}
