// SPDX-License-Identifier: MIT
//
// Whether the server's database answers, as far as anybody here has heard: an answer to a request (api.js), the event
// stream (events.js), or the server when it is asked, which it is only while the database is away, less and less often.
//
//   away()                   since when it hasn't answered, in milliseconds; null: it does
//   whenAway((since) => …)   at once, and whenever that changes
//   onceBack(f)              when it is back next
//   isAway(error)            whether a Problem says so
//   look()                   asks now: where nothing else would tell

const CODE = "store-unavailable";
const FIRST_WAIT = 1000, LONGEST_WAIT = 30000;

const listeners = new Set();
let since = null, timer = null, wait = FIRST_WAIT;
let waiting = [];

export function away() {
	return since;
}

export function whenAway(f) {
	listeners.add(f);
	f(since);
	return () => listeners.delete(f);
}

export function onceBack(f) {
	waiting.push(f);
}

export function isAway(error) {
	return error.code === CODE;
}

function set(value) {
	since = value;
	listeners.forEach((f) => f(since));
}

export function cameBack() {
	clearTimeout(timer);
	if (since === null)
		return;
	const list = waiting;

	waiting = [];
	set(null);
	list.forEach((f) => f());
}

export function wentAway() {
	if (since !== null)
		return;
	wait = FIRST_WAIT;
	set(Date.now());
	askLater();
}

// Of all that the server answers this alone needs no login, and the database. null: nobody can tell.
async function ask() {
	try {
		const response = await fetch("/readyz", { credentials: "same-origin", cache: "no-store", redirect: "error" });

		return response.status === 503 ? isAway(await response.json()) : false;
	} catch {
		return null;
	}
}

// A page that nobody looks at waits until somebody does.
function askLater() {
	clearTimeout(timer);
	timer = setTimeout(async () => {
		const began = since;

		if (!document.hidden && await ask() === false && since === began) {
			cameBack();
		} else if (since === began) {
			wait = Math.min(LONGEST_WAIT, 2 * wait);
			askLater();
		}
	}, wait / 2 + Math.random() * wait / 2);
}

export async function look() {
	if (await ask())
		wentAway();
}

document.addEventListener("visibilitychange", () => {
	if (document.hidden || since === null)
		return;
	wait = FIRST_WAIT;
	askLater();
});
