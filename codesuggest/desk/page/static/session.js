// Requests to the API: who is logged in, the CSRF token, and errors as the API words them.

const API = "/api/v1";
let session = null;

export class ApiError extends Error {
  constructor(status, body, retryAfter = 0) {
    super(body?.error?.message ?? `The server answered with status ${status}.`);
    this.status = status;
    this.id = body?.error?.id ?? "";
    this.body = body ?? {};
    this.retryAfter = retryAfter;
  }
}

/** The server could not be reached, or not in time: worth another try. */
export class Unreachable extends Error {}

export async function request(method, path, { body, headers = {}, signal, timeout = 15000 } = {}) {
  const given = { Accept: "application/json", ...headers };
  if (body !== undefined) given["Content-Type"] = "application/json";
  if (method !== "GET" && session) given["X-CSRF-Token"] = session.csrf_token;
  const limit = AbortSignal.timeout(timeout);
  let response;
  let answer = null;
  try {
    response = await fetch(API + path, {
      method, headers: given, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "same-origin",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    if (response.status !== 204) answer = await response.json().catch(() => null);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The server cannot be reached.");
  }
  if (response.ok) return answer;
  if ([408, 502, 503, 504].includes(response.status)) throw new Unreachable("The server is busy.");
  throw new ApiError(response.status, answer, Number(response.headers.get("Retry-After")) || 0);
}

export const get = (path, options) => request("GET", path, options);
export const post = (path, body = {}, options = {}) => request("POST", path, { body, ...options });

/** Ask who is logged in; whoever is not goes to the log-in page and comes back. */
export async function requireSession() {
  try {
    return await renewSession();
  } catch (error) {
    if (error.status === 401) {
      location.replace(`/login?next=${encodeURIComponent(location.pathname)}`);
      return new Promise(() => {}); // the page is leaving
    }
    throw error;
  }
}

export async function renewSession() {
  session = await get("/session");
  return session;
}

export async function logOut() {
  await request("DELETE", "/session").catch(() => {});
  location.assign("/login");
}

/** A path of this site to go on to, never another site. */
export function nextPath() {
  const wanted = new URLSearchParams(location.search).get("next") ?? "/";
  const url = new URL(wanted, location.origin);
  return url.origin === location.origin && /^\/(charts\/[\w-]+)?$/.test(url.pathname) ? url.pathname : "/";
}
