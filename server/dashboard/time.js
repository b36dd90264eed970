// SPDX-License-Identifier: MIT
//
// Times for people: how long ago or until, the exact time in the title. The API's are RFC 3339 texts; null is shown
// as a dash, or the words given.

import { h } from "./dom.js";
import { serverNow } from "./api.js";

const UNITS = [["year", 31557600], ["month", 2629800], ["week", 604800], ["day", 86400], ["hour", 3600], ["minute", 60]];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function ago(text) {
	const exactly = (Date.parse(text) - serverNow()) / 1000;
	const seconds = Math.abs(exactly) < 90 ? exactly : Math.round(exactly / 60) * 60;

	for (const [unit, length] of UNITS)
		if (Math.abs(seconds) >= length)
			return relative.format(Math.trunc(seconds / length), unit);
	return Math.abs(seconds) < 10 ? "just now" : relative.format(Math.round(seconds), "second");
}

export function exactTime(text) {
	return exact.format(new Date(text));
}

export function dayOf(text) {
	return day.format(new Date(text));
}

// A node that keeps itself right.
export function when(text, { none = "–" } = {}) {
	if (!text)
		return h("span", { class: "muted" }, none);
	return h("time", { datetime: text, title: exactTime(text), "data-ago": true }, ago(text));
}

// The time of day, for lists of one day's lines.
export function clockTime(text) {
	return h("time", { datetime: text, title: exactTime(text) }, clock.format(new Date(text)));
}

// A length of time in the largest unit that it is whole in: "36 hours".
export function span(seconds) {
	const [unit, length] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find(([, l]) => seconds % l === 0);
	const n = seconds / length;

	return `${n} ${unit}${n === 1 ? "" : "s"}`;
}

function two(n) {
	return String(n).padStart(2, "0");
}

export function duration(seconds) {
	const s = Math.max(0, Math.floor(seconds));

	if (s >= 2 * 86400)
		return `${Math.floor(s / 86400)} days ${Math.floor(s % 86400 / 3600)} h`;
	if (s >= 3600)
		return `${Math.floor(s / 3600)}:${two(Math.floor(s % 3600 / 60))}:${two(s % 60)}`;
	return `${Math.floor(s / 60)}:${two(s % 60)}`;
}

// The time until then, each second; over is what it says at the end. Ends by itself when it's no longer shown.
export function countdown(until, { over = "over", onOver = () => {} } = {}) {
	const node = h("time", { datetime: until, title: exactTime(until), class: "countdown", role: "timer" });
	const end = Date.parse(until);
	let shown = false;
	const tick = () => {
		const left = (end - serverNow()) / 1000;

		shown ||= node.isConnected;
		node.textContent = left > 0 ? duration(left) : over;
		if (left <= 0)
			onOver();
		if (left > 0 && (node.isConnected || !shown))
			setTimeout(tick, 1000);
	};

	tick();
	return node;
}

setInterval(() => {
	for (const node of document.querySelectorAll("time[data-ago]")) {
		const text = ago(node.dateTime);
		if (node.textContent !== text)
			node.textContent = text;
	}
}, 10000);
