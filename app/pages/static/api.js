// Ask the service: the same REST that everybody has. In a report the documents are in the file.

export const base = document.documentElement.dataset.base ?? "";
const held = document.getElementById("documents");
const documents = held ? JSON.parse(held.textContent) : null;
export const isReport = documents !== null;

export class Problem extends Error {
  constructor(status, document) {
    super(document?.detail ?? `the service answered ${status}`);
    this.status = status;
    this.document = document ?? {};
  }
}

export async function get(path) {
  if (documents) {
    if (path in documents) return documents[path];
    throw new Problem(404, { detail: "not in this report" });
  }
  return answer(await fetch(base + path, { headers: { accept: "application/json" } }));
}

// The document, or null where the service has none (yet): its refusal goes to `refused`.
export async function find(path, refused = () => {}) {
  try {
    return await get(path);
  } catch (error) {
    if (!(error instanceof Problem) || error.status >= 500) throw error;
    refused(error);
    return null;
  }
}

export async function send(method, path, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  return answer(await fetch(base + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }));
}

async function answer(response) {
  if (response.status === 204) return null;
  let document = null;
  try {
    document = await response.json();
  } catch {
    if (response.ok) throw new Problem(response.status, { detail: "the answer is not JSON" });
  }
  if (!response.ok) throw new Problem(response.status, document);
  return document;
}

// The latest events of a study, oldest first: the stream, ended after what is there.
export async function recentEvents(name, count) {
  if (documents) return [];
  const response = await fetch(`${base}/v1/studies/${encodeURIComponent(name)}/events?last=${count}&follow=false`);
  if (!response.ok) return [];
  return (await response.text()).split("\n\n").map((block) => {
    const lines = Object.fromEntries(block.split("\n").map((line) => [line.split(": ")[0], line.slice(line.indexOf(": ") + 2)]));
    return lines.data ? { id: Number(lines.id), kind: lines.event, body: JSON.parse(lines.data) } : null;
  }).filter(Boolean);
}
