// The page's way to the control API.

// The JSON answer to a GET, to a POST when there is a body, or to another method; throws an Error
// with the refusal's line, and a TypeError when nobody answers.
export async function call(path, body, method = body ? "POST" : "GET") {
  const response = await fetch(`/control/${path}`, {
    method,
    headers: body && { "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const type = response.headers.get("Content-Type") ?? "";
  const answer = type.startsWith("application/json") ? await response.json() : {};
  if (!response.ok) throw new Error(answer.error ?? `The sandbox answered ${response.status}.`);
  return answer;
}
