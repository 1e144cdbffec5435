// The page's way to the control API.

// The JSON answer to a GET, or to a POST when there is a body; throws an Error with the refusal's
// line, and a TypeError when nobody answers.
export async function call(path, body) {
  const response = await fetch(`/control/${path}`, body && {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const type = response.headers.get("Content-Type") ?? "";
  const answer = type.startsWith("application/json") ? await response.json() : {};
  if (!response.ok) throw new Error(answer.error ?? `The sandbox answered ${response.status}.`);
  return answer;
}
