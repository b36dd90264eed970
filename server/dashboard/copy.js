// SPDX-License-Identifier: MIT
//
// Texts to take along: copyButton(() => text), snippet(text) (shown, with a button beside it), download(name, text).

import { h } from "./dom.js";
import { icon } from "./icons.js";
import { announce } from "./ui.js";

// On plain HTTP, other than to this machine, browsers keep their clipboard back: then as of old.
function copyOld(text) {
	const area = h("textarea", { value: text, readonly: true, class: "visually-hidden", "aria-hidden": "true" });
	const place = document.querySelector("dialog[open]") ?? document.body;
	const before = document.activeElement;

	place.append(area);
	area.select();
	const done = document.execCommand("copy");
	area.remove();
	before?.focus();
	if (!done)
		throw new Error("the browser doesn't copy");
}

async function copy(text) {
	try {
		await navigator.clipboard.writeText(text);
	} catch {
		copyOld(text);
	}
}

// text: a string, or a function that gives it, or a promise of it.
export function copyButton(text, { label = "Copy", kind = "", small = false } = {}) {
	const words = h("span", label);
	const node = h("button", { class: `button ${kind} ${small ? "small" : ""}`.trim(), type: "button" }, icon("copy"), words);
	let timer = null;

	node.addEventListener("click", async () => {
		let said = "Copied";

		try {
			await copy(await (typeof text === "function" ? text() : text));
		} catch {
			said = "Not copied: select it and copy it by hand";
		}
		words.textContent = said;
		announce(said);
		clearTimeout(timer);
		timer = setTimeout(() => (words.textContent = label), 2000);
	});
	return node;
}

export function snippet(text, { label = "Copy", name = "Command" } = {}) {
	return h("div", { class: "snippet" },
		h("pre", { tabindex: "0", role: "region", "aria-label": name }, h("code", text)),
		copyButton(text, { label, small: true }));
}

export function download(name, text, type = "text/plain") {
	const url = URL.createObjectURL(new Blob([text], { type }));
	const link = h("a", { href: url, download: name });

	document.body.append(link);
	link.click();
	link.remove();
	setTimeout(() => URL.revokeObjectURL(url), 10000);
}
