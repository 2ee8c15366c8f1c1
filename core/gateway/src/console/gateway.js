// What the page asks the gateway, and how it goes wrong.

const KEY = "paifang-admin-token";
/** How long an answer may take, and one that waits for a release to go live, in milliseconds. */
const READ = 15_000;
const CHANGE = 120_000;

let token = sessionStorage.getItem(KEY) ?? "";

/** An answer that is none. `status` is 0 where nobody answered. */
export class Refused extends Error {
  constructor(status, message, details) {
    super(message);
    this.status = status;
    this.details = details;
  }
}

/** Keeps the token for as long as this tab lives; nothing writes it anywhere else. */
export function remember(value) {
  token = value;
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

/** Whether one has been given. */
export const hasToken = () => token !== "";

/** Asks for JSON; `path` is written from the root of the API, its parts encoded. */
export async function ask(path, { method = "GET", body } = {}) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  let told;
  try {
    answer = await fetch(`../${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(method === "GET" ? READ : CHANGE),
    });
    told = await answer.json();
  } catch (cause) {
    if (answer) throw new Refused(answer.status, `the answer cannot be read: ${cause.message}`);
    throw new Refused(0, cause.name === "TimeoutError" ? "no answer in time" : "nobody answers");
  }
  if (!answer.ok) throw new Refused(answer.status, String(told?.error ?? answer.status), told?.details);
  return told;
}

/** Encodes a part of a path. */
export const part = encodeURIComponent;
