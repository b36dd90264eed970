// SPDX-License-Identifier: MIT
//
// The API, muster-api(7). Paths are below /api/v1 and their parts must be encoded: path`/clients/${id}`.
//
//   await get(path`/clients/${id}`, { limit: 100 }, { signal })    the object; null and "" parameters are left out
//   await post("/tokens", { uses: 1 })                             the object, or null for 204
//   await post("/installer", { token }, { as: "text" })            the answer's text
//   await remove("/session")                                       DELETE
//
// All throw Problem, whose message is a sentence for people. An answer of 401 to anything but the session's own
// routes means that the session is over: whoever asked with whenLoggedOut() is told. One that says that the database is
// away is told to away.js.

import { isAway, wentAway } from "./away.js";
import { twice } from "./twice.js";

const BASE = "/api/v1";
let csrf = null;
let loggedOut = () => {};
let clockAhead = 0; // milliseconds that the server's clock is ahead of this one

const WORDS = {
	0: "The server can't be reached. It may be down, or the network between.",
	401: "You are not logged in.",
	403: "Your role doesn't permit this.",
	404: "There is nothing of that name.",
	409: "That can't be done in its present state.",
	412: "Somebody else has changed it meanwhile.",
	413: "That is too large.",
	429: "Too many attempts. Wait a moment.",
	503: "The server can't do this now. Its log says why.",
};

function sentence(text) {
	const start = text.slice(0, 1).toUpperCase() + text.slice(1);
	return /[.!?…]$/.test(start) ? start : `${start}.`;
}

// status: HTTP's, 0 if there was no answer. code: the API's stable one. field: the form's field that it is about,
// or null. retryAfter: seconds, or null.
export class Problem extends Error {
	constructor(status, body, retryAfter = null) {
		const detail = typeof body?.detail === "string" ? body.detail : "";
		const [, field, rest] = /^(?:field|parameter) '([a-z_-]+)':? (?:is )?(.*)$/s.exec(detail) ?? [];

		super(sentence(rest ?? (detail || WORDS[status] || `The server answered with status ${status}.`)));
		this.name = "Problem";
		this.status = status;
		this.code = typeof body?.code === "string" ? body.code : "";
		this.field = field ?? null;
		this.retryAfter = retryAfter;
	}
}

export function path(strings, ...values) {
	return strings.reduce((all, part, i) => all + encodeURIComponent(values[i - 1]) + part);
}

export function useCsrf(token) {
	csrf = token;
}

export function whenLoggedOut(f) {
	loggedOut = f;
}

// What the server's clock says, in milliseconds: expiry is its judgement, not this machine's.
export function serverNow() {
	return Date.now() + clockAhead;
}

// Dates in headers are whole seconds.
function learnClock(response) {
	const date = Date.parse(response.headers.get("Date") ?? "");
	const ahead = date + 500 - Date.now();

	if (!Number.isNaN(date) && Math.abs(ahead - clockAhead) > 2000)
		clockAhead = Math.abs(ahead) < 2000 ? 0 : ahead;
}

function query(parameters) {
	const q = new URLSearchParams();

	for (const [name, value] of Object.entries(parameters ?? {}))
		if (value !== null && value !== undefined && value !== "")
			q.append(name, value);
	const text = q.toString();
	return text ? `?${text}` : "";
}

function problemOf(response, text) {
	const retry = Number(response.headers.get("Retry-After"));
	let body = null;

	try {
		body = JSON.parse(text);
	} catch {
		// A proxy's page perhaps; the status says enough.
	}
	return new Problem(response.status, body, retry > 0 ? retry : null);
}

async function attempt(where, options) {
	const response = await fetch(BASE + where, options);

	return { response, text: await response.text() };
}

async function send(method, where, body, signal) {
	const headers = {};
	const options = {
		method, headers, signal, credentials: "same-origin", cache: "no-store", redirect: "error",
		body: body === undefined ? undefined : JSON.stringify(body),
	};

	if (body !== undefined)
		headers["Content-Type"] = "application/json";
	if (method !== "GET" && csrf)
		headers["X-Muster-Csrf"] = csrf;
	try {
		return await (method === "GET" ? twice(() => attempt(where, options)) : attempt(where, options));
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
		throw new Problem(0, null);
	}
}

async function request(method, where, body, { signal, as = "json" } = {}) {
	const { response, text } = await send(method, where, body, signal);

	learnClock(response);
	if (!response.ok) {
		if (response.status === 401 && !where.startsWith("/session"))
			loggedOut();
		const problem = problemOf(response, text);
		if (isAway(problem))
			wentAway();
		throw problem;
	}
	if (as === "text")
		return text;
	return response.status === 204 ? null : JSON.parse(text);
}

export function get(where, parameters, options) {
	return request("GET", where + query(parameters), undefined, options);
}

export function post(where, body = {}, options) {
	return request("POST", where, body, options);
}

export function remove(where, options) {
	return request("DELETE", where, undefined, options);
}
