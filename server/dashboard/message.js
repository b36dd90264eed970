// SPDX-License-Identifier: MIT
// A machine's message as a line of a list, and whole.

import { path } from "./api.js";
import { h } from "./dom.js";
import { facts } from "./ui.js";
import { open } from "./dialog.js";
import { copyButton } from "./copy.js";
import { when } from "./time.js";

const SHOWN = 280, LINES = 4;

export function senderOf(m) {
	return h("a", { href: path`/machines/${m.client}` }, m.hostname ?? m.client.slice(0, 12));
}

export function showMessage(m) {
	return open({
		title: `Message ${m.seq}`, wide: true,
		content: () => h("div", { class: "stack" },
			facts([["Machine", senderOf(m)], ["Type", h("code", m.type)], ["Sent", [when(m.sent), h("span", { class: "muted" }, " by its clock")]], ["Received", when(m.received)]]),
			h("pre", { class: "text", tabindex: "0", role: "region", "aria-label": "Text" }, m.text),
			h("div", { class: "form-actions" }, copyButton(m.text, { label: "Copy text" }))),
	});
}

// The start of the text; a button for the rest.
export function textOf(m) {
	const lines = m.text.trimEnd().split("\n");
	const long = m.text.length > SHOWN || lines.length > LINES;
	const start = lines.slice(0, LINES).join("\n").slice(0, SHOWN);

	return h("div", { class: "message-text" }, h("span", { class: "pre" }, long ? `${start} …` : start),
		long && h("button", { class: "link-button", type: "button", "aria-label": `The whole of message ${m.seq}`, onclick: () => showMessage(m) }, "Show all"));
}

export function messageRow(m, { machine = true } = {}) {
	return h("li", h("div", { class: "entry-head" }, machine && senderOf(m), h("code", m.type), when(m.received)), textOf(m));
}
