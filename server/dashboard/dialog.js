// SPDX-License-Identifier: MIT
//
// Dialogs: the browser's own, so that focus stays inside and comes back.
//
//   await confirm({ title: "Revoke token 3fk2?", text, action: "Revoke token", danger: true, typed: "web-01" })
//       true or false. Name the thing in title and action. typed: must be typed first, where nothing brings it back.
//   const result = await open({ title, content: (close) => node, wide })     what close() was given; null if dismissed

import { h, newId } from "./dom.js";
import { icon } from "./icons.js";

export function open({ title, content, wide = false, role = "dialog", sticky = false }) {
	return new Promise((resolve) => {
		let result = null;
		const id = newId("dialog");
		const close = (value) => {
			result = value;
			dialog.close();
		};
		const dialog = h("dialog", {
			class: wide ? "wide" : "", "aria-labelledby": id, role: role === "dialog" ? null : role,
			onclose: () => {
				dialog.remove();
				resolve(result);
			},
			// Outside of it, and pressed there too: a selection that ends outside closes nothing.
			onpointerdown: (event) => (dialog.dataset.outside = String(event.target === dialog)),
			onclick: (event) => !sticky && event.target === dialog && dialog.dataset.outside === "true" && close(null),
			oncancel: (event) => sticky && event.preventDefault(),
		});

		dialog.append(h("div", { class: "dialog-inner" },
			h("header", h("h2", { id }, title), !sticky && h("button", {
				class: "icon-button", type: "button", "aria-label": "Close", onclick: () => close(null),
			}, icon("close"))),
			content(close)));
		document.body.append(dialog);
		dialog.showModal();
		dialog.querySelector("[autofocus]")?.focus();
	});
}

export async function confirm({ title, text, action, cancel = "Cancel", danger = false, typed = null }) {
	const choice = await open({
		title, role: "alertdialog",
		content: (close) => {
			const yes = h("button", {
				class: danger ? "button danger solid" : "button primary", type: "submit", disabled: typed !== null,
			}, action);
			const input = typed !== null && h("input", {
				type: "text", autocomplete: "off", spellcheck: "false", autofocus: true, "aria-label": `Type ${typed}`,
				oninput: (event) => (yes.disabled = event.target.value.trim() !== typed),
			});

			return h("form", {
				class: "form",
				onsubmit: (event) => {
					event.preventDefault();
					close(true);
				},
			},
			(Array.isArray(text) ? text : [text]).map((t) => (t instanceof Node ? t : h("p", t))),
			input && h("label", { class: "field" }, h("span", "Type ", h("code", typed), " to go on"), input),
			h("div", { class: "form-actions" },
				h("button", { class: "button", type: "button", onclick: () => close(false), autofocus: typed === null }, cancel),
				yes));
		},
	});

	return choice === true;
}
