// SPDX-License-Identifier: MIT
//
// How a configuration is told of: forWhom(selector), sizeText(bytes), content(base64) → { text } or { bytes },
// encode(bytes) → base64, difference(text of diff(1)) → a node.

import { path } from "./api.js";
import { h } from "./dom.js";
import { labels, number } from "./ui.js";

export function forWhom(selector) {
	if (selector === "*")
		return "all machines";
	if (selector.startsWith("client:")) {
		const id = selector.slice(7);
		return ["one machine, ", h("a", { href: path`/machines/${id}` }, h("code", id.slice(0, 12)))];
	}
	return labels(selector.split(","));
}

// The same as a text, for sentences.
export function forWhomText(selector) {
	if (selector === "*")
		return "all machines";
	return selector.startsWith("client:") ? `machine ${selector.slice(7, 19)}` : `the machines of ${selector}`;
}

export function sizeText(bytes) {
	if (bytes < 1000)
		return `${bytes} B`;
	return bytes < 1e6 ? `${number(Math.round(bytes / 100) / 10)} kB` : `${number(Math.round(bytes / 1e5) / 10)} MB`;
}

export function content(base64) {
	const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

	try {
		const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
		return text.includes("\0") ? { bytes } : { text };
	} catch {
		return { bytes };
	}
}

export function encode(bytes) {
	let all = "";

	for (let i = 0; i < bytes.length; i += 32768)
		all += String.fromCharCode(...bytes.subarray(i, i + 32768));
	return btoa(all);
}

const KINDS = { "+": ["added", "added"], "-": ["taken", "taken out"], "@": ["place", null], "\\": ["place", null] };

// Line by line, with a sign and not only a colour. The names at its start are told elsewhere.
export function difference(text) {
	const lines = text.split("\n").slice(2, -1);

	if (text === "")
		return h("p", { class: "muted" }, "Both have the same content.");
	if (text.startsWith("Binary files"))
		return h("p", { class: "muted" }, "They differ, and are not text.");
	return h("pre", { class: "difference", tabindex: "0", role: "region", "aria-label": "Difference" }, lines.map((line) => {
		const [kind, words] = KINDS[line[0]] ?? ["", null];
		return h("span", { class: `line ${kind}` }, words && h("span", { class: "visually-hidden" }, `${words}: `), `${line}\n`);
	}));
}
