// SPDX-License-Identifier: MIT
//
// Forms: a label, a hint and a place for what is wrong, for each field; errors of the API are shown at their field.
//
//   form({
//       fields: [text("note", "Note", { hint, required, value, placeholder, maxlength, type, autocomplete }),
//           choice("expires", "Expires", [["24h", "in 24 hours"], …], { value }),
//           check("approve", "An administrator approves each machine", { hint, checked }),
//           area("text", "Text", {…}), tags("labels", "Labels", { value: [], hint })],
//       submit: "Make token", kind: "primary", cancel: f,
//       send: async (values) => …,        values by name; throws Problem
//       names: { time: "expires" },       fields of the API that have another name here
//   })
//
// A field is a node with .read() (its value) and .input (what gets the focus).

import { isAway, onceBack } from "./away.js";
import { fill, h, newId } from "./dom.js";
import { icon } from "./icons.js";

function field(name, label, input, { hint = null, read, optional = false, wraps = null } = {}) {
	const id = newId("field"), hintId = `${id}-hint`, errorId = `${id}-error`;
	const error = h("p", { class: "field-error", id: errorId, hidden: true });

	input.id = id;
	input.setAttribute("aria-describedby", hint ? `${hintId} ${errorId}` : errorId);
	const node = h("div", { class: "field", "data-field": name },
		h("label", { for: id }, label, optional && h("span", { class: "muted" }, " (optional)")),
		wraps ?? input,
		hint && h("p", { class: "hint", id: hintId }, hint),
		error);

	node.input = input;
	node.read = read;
	node.name = name;
	node.problem = (text) => {
		error.hidden = !text;
		fill(error, text ? [icon("warn"), text] : null);
		input.setAttribute("aria-invalid", String(Boolean(text)));
	};
	input.addEventListener("input", () => node.problem(null));
	return node;
}

export function text(name, label, { hint, optional, trim = true, ...rest } = {}) {
	const input = h("input", { type: "text", name, autocomplete: "off", ...rest });

	return field(name, label, input, { hint, optional, read: () => (trim ? input.value.trim() : input.value) });
}

export function password(name, label, { hint, ...rest } = {}) {
	return text(name, label, { hint, trim: false, type: "password", ...rest });
}

export function area(name, label, { hint, optional, value = "", rows = 4, ...rest } = {}) {
	const input = h("textarea", { name, rows, value, spellcheck: "false", ...rest });

	return field(name, label, input, { hint, optional, read: () => input.value });
}

export function choice(name, label, choices, { hint, value = choices[0][0], onchange, optional } = {}) {
	const input = h("select", { name, onchange: () => onchange?.(input.value) },
		choices.map(([key, words]) => h("option", { value: key }, words)));

	input.value = value;
	return field(name, label, input, { hint, optional, read: () => input.value });
}

export function check(name, label, { hint, checked = false } = {}) {
	const id = newId("field"), hintId = `${id}-hint`;
	const input = h("input", { type: "checkbox", id, name, checked, "aria-describedby": hint ? hintId : null });
	const node = h("div", { class: "field field-check", "data-field": name }, input,
		h("div", h("label", { for: id }, label), hint && h("p", { class: "hint", id: hintId }, hint)));

	node.input = input;
	node.read = () => input.checked;
	node.name = name;
	node.problem = () => {};
	return node;
}

// Words one by one: Enter, a blank or a comma ends one; Backspace takes the last back.
export function tags(name, label, { hint, value = [], placeholder = "", optional } = {}) {
	const list = [...value];
	const items = h("ul", { class: "labels" });
	const input = h("input", { type: "text", autocomplete: "off", spellcheck: "false", autocapitalize: "none", placeholder });
	const node = field(name, label, input, {
		hint, optional, wraps: h("div", { class: "tags", onclick: () => input.focus() }, items, input),
		read: () => {
			take();
			return [...list];
		},
	});
	const show = () => {
		items.hidden = list.length === 0;
		fill(items, list.map((word, i) => h("li", h("span", { class: "label" }, word, h("button", {
			type: "button", class: "label-remove", "aria-label": `Take ${word} away`,
			// The input keeps the focus, or its end would take the button away before it is released.
			onmousedown: (event) => event.preventDefault(),
			onclick: () => {
				list.splice(i, 1);
				node.problem(null);
				show();
				input.focus();
			},
		}, icon("close"))))));
	};
	// Not drawn anew without need: the focus leaves when something of the list is pressed, which must still be there.
	const take = () => {
		const words = input.value.split(/[\s,]+/).filter(Boolean);

		list.push(...words.filter((word, i) => !list.includes(word) && words.indexOf(word) === i));
		input.value = "";
		if (words.length > 0)
			show();
	};

	input.addEventListener("keydown", (event) => {
		if ((event.key === "Enter" && input.value.trim()) || event.key === "," || event.key === " ") {
			event.preventDefault();
			take();
		} else if (event.key === "Backspace" && input.value === "" && list.length > 0) {
			list.pop();
			show();
		}
	});
	input.addEventListener("blur", take);
	show();
	return node;
}

function allFields(fields) {
	return fields.flat(9).flatMap((f) => (f?.read ? [f] : f instanceof Element
		? [...f.querySelectorAll("[data-field]")].filter((inner) => inner.read) : []));
}

// What the browser itself can tell: required, patterns, numbers.
function invalid(list) {
	for (const f of list) {
		if (!f.input.closest("[hidden]") && !f.input.checkValidity()) {
			f.problem(f.input.validationMessage);
			return f;
		}
	}
	return null;
}

function showProblem(error, list, alert, names) {
	const name = names[error.field] ?? error.field;
	const at = list.find((f) => f.name === name);

	if (at) {
		at.problem(error.message);
		at.input.focus();
	} else {
		alert.hidden = false;
		const told = h("p", error.message);
		fill(alert, icon("bad"), told);
		if (isAway(error))
			onceBack(() => told.isConnected && (alert.hidden = true));
	}
}

export function form({ fields, submit, kind = "primary", cancel = null, send, names = {}, class: more = "" }) {
	const alert = h("div", { class: "notice notice-bad", role: "alert", hidden: true });
	const go = h("button", { class: `button ${kind}`, type: "submit" }, submit);
	const onsubmit = async (event) => {
		const list = allFields(fields);

		event.preventDefault();
		alert.hidden = true;
		const values = Object.fromEntries(list.map((f) => [f.name, f.read()]));
		const wrong = invalid(list);
		if (wrong) {
			wrong.input.focus();
			return;
		}
		go.disabled = true;
		go.setAttribute("aria-busy", "true");
		try {
			await send(values);
		} catch (error) {
			if (error.status === undefined)
				console.error(error);
			showProblem(error, list, alert, names);
		} finally {
			go.disabled = false;
			go.removeAttribute("aria-busy");
		}
	};

	return h("form", { class: `form ${more}`.trim(), novalidate: true, onsubmit }, fields, alert,
		h("div", { class: "form-actions" },
			cancel && h("button", { class: "button", type: "button", onclick: cancel }, "Cancel"), go));
}
