// Small helps with nodes.

export function setText(node, text) {
  // The same words again would be read out again.
  if (node.textContent !== text) node.textContent = text;
}
