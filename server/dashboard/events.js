// SPDX-License-Identifier: MIT
//
// What changes on the server, as it changes (GET /api/v1/events).
//
//   const stop = watch(["tokens", "clients"], (changes) => …)
//
// Topics: status, tokens, clients, configs, receipts, messages, audit, access. changes.reset: something may have been
// missed, look again; changes.ids(topic): a Set of what has changed of it, perhaps empty. Changes come bundled, at
// most one call a second for each watcher.
//
//   whenState((state) => …)     "live", "waiting" (to be connected again), "polling" (this server or proxy gives no
//                               events: watchers are told to look again every 15 seconds), "off"
//
// While the database is away (away.js, which is told here what the stream says of that) there is nothing to look at:
// watchers are told to look again when it is back.

import { away, cameBack, wentAway, whenAway } from "./away.js";

const FIRST_WAIT = 1000, LONGEST_WAIT = 30000;
const BUNDLE = 120, AT_MOST = 1000, POLL = 15000, HIDDEN = 20000;

const watchers = new Set();
const listeners = new Set();
let source = null, state = "off", failures = 0, wanted = false;
let retry = null, poll = null, hidden = null;

function setState(next) {
	state = next;
	listeners.forEach((f) => f(state));
}

export function whenState(f) {
	listeners.add(f);
	f(state);
	return () => listeners.delete(f);
}

class Changes {
	reset = false;
	#topics = new Map();

	add(topic, id) {
		if (!this.#topics.has(topic))
			this.#topics.set(topic, new Set());
		if (id)
			this.#topics.get(topic).add(id);
	}

	has(topic) {
		return this.reset || this.#topics.has(topic);
	}

	ids(topic) {
		return this.#topics.get(topic) ?? new Set();
	}
}

class Watcher {
	#pending = null;
	#timer = null;
	#last = 0;

	constructor(topics, f) {
		this.topics = topics;
		this.f = f;
	}

	// What fails for now has failed for the page too, which says so or will look again.
	async #tell(changes) {
		try {
			await this.f(changes);
		} catch (error) {
			if (error.status === undefined && error.name !== "AbortError")
				throw error;
		}
	}

	#soon() {
		if (this.#timer || away() !== null)
			return;
		const wait = Math.max(BUNDLE, this.#last + AT_MOST - Date.now());
		this.#timer = setTimeout(() => {
			const changes = this.#pending;
			this.#timer = this.#pending = null;
			this.#last = Date.now();
			this.#tell(changes);
		}, wait);
	}

	changed(topic, id) {
		if (!this.topics.includes(topic))
			return;
		this.#pending ??= new Changes();
		this.#pending.add(topic, id);
		this.#soon();
	}

	reset() {
		this.#pending ??= new Changes();
		this.#pending.reset = true;
		this.#soon();
	}

	stop() {
		clearTimeout(this.#timer);
	}
}

export function watch(topics, f) {
	const watcher = new Watcher(topics, f);

	watchers.add(watcher);
	return () => {
		watcher.stop();
		watchers.delete(watcher);
	};
}

function resetAll() {
	watchers.forEach((w) => w.reset());
}

whenAway((since) => since === null && resetAll());

function startPolling() {
	poll ??= setInterval(() => document.hidden || resetAll(), POLL);
}

function stopPolling() {
	clearInterval(poll);
	poll = null;
}

function onOpen(again) {
	failures = 0;
	stopPolling();
	cameBack(); // or the server could not have let us in
	setState("live");
	if (again)
		resetAll();
}

function onChange(event) {
	let change;

	try {
		change = JSON.parse(event.data);
	} catch {
		return;
	}
	if (change.topic === "database")
		(change.id === "away" ? wentAway : cameBack)();
	watchers.forEach((w) => w.changed(change.topic, change.id));
}

// The browser tries again by itself unless the answer was none of an event stream.
function onError() {
	setState(poll ? "polling" : "waiting");
	if (source.readyState !== EventSource.CLOSED)
		return;
	failures++;
	if (failures >= 3) {
		startPolling();
		setState("polling");
	}
	close();
	const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** failures);
	retry = setTimeout(() => open(true), longest / 2 + Math.random() * longest / 2);
}

// Opened once more, by itself or from here: what was between is not known.
function open(again) {
	source = new EventSource("/api/v1/events");
	source.addEventListener("open", () => {
		onOpen(again);
		again = true;
	});
	source.addEventListener("change", onChange);
	source.addEventListener("reset", resetAll);
	source.addEventListener("error", onError);
}

function close() {
	clearTimeout(retry);
	source?.close();
	source = null;
}

// A browser has few connections for one server, and many tabs: those not looked at give theirs back.
function onVisibility() {
	clearTimeout(hidden);
	if (!wanted)
		return;
	if (document.hidden)
		hidden = setTimeout(close, HIDDEN);
	else if (!source)
		open(true);
}

document.addEventListener("visibilitychange", onVisibility);

export function start() {
	if (wanted)
		return;
	wanted = true;
	setState("waiting");
	open(false);
}

export function stop() {
	wanted = false;
	clearTimeout(hidden);
	stopPolling();
	close();
	setState("off");
}
