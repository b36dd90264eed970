// SPDX-License-Identifier: MIT
//
// The pieces that pages are made of.
//
//   header("Tokens", { lead, actions: [node], back: ["/tokens", "Tokens"] })     a page begins with this
//   card("Machines", …children), card({ title, actions, class, flush: true }, …)   a section with a heading
//   facts([["Made", node], …])               terms and their values; rows whose value is null are left out
//   badge("good", "connected")               good, warn, bad, info, busy, idle: a shape and a word
//   labels(["role=web"], { each })           as machines' labels look; each(label) → href, or none
//   mono(text), idText(id)                   ids are shown short, whole in the title
//   button("Revoke …", f, { kind: "danger", icon: "trash", disabled, small })
//   linkButton("Make a token", "/tokens/new", { kind, icon })
//   empty("No tokens yet.", "…why and what to do", action), failure(error, again), skeleton()
//   switcher("Show", [["live", "Live"], …], value, f)     one of a few, as a row of choices
//   menu("More", [["Suspend", f], ["Revoke …", f, { danger }]])
//   count(n, "machine"), number(n)

import { isAway, onceBack } from "./away.js";
import { fill, h, newId } from "./dom.js";
import { icon } from "./icons.js";

const numbers = new Intl.NumberFormat("en");

export function number(n) {
	return numbers.format(n);
}

export function count(n, one, many = `${one}s`) {
	return `${number(n)} ${n === 1 ? one : many}`;
}

export function header(title, { lead = null, actions = [], back = null, badges = [] } = {}) {
	return h("header", { class: "page-head" },
		back && h("a", { class: "back", href: back[0] }, icon("back"), back[1]),
		h("div", { class: "page-title" }, h("h1", title), badges),
		lead && h("p", { class: "lead" }, lead),
		actions.length > 0 && h("div", { class: "actions" }, actions));
}

export function card(what, ...children) {
	const { title, actions = [], class: more = "", flush = false } = typeof what === "string" ? { title: what } : what;
	const id = newId("card");

	return h("section", { class: `card ${flush ? "flush" : ""} ${more}`.trim(), "aria-labelledby": title ? id : null },
		(title || actions.length > 0) && h("div", { class: "card-head" },
			title && h("h2", { id }, title), actions.length > 0 && h("div", { class: "actions" }, actions)),
		h("div", { class: "card-body" }, children));
}

export function facts(rows) {
	return h("dl", { class: "facts" }, rows
		.filter(([, value]) => value !== null && value !== undefined)
		.map(([term, value]) => h("div", h("dt", term), h("dd", value))));
}

export function badge(kind, text) {
	return h("span", { class: `badge badge-${kind}` }, icon(kind), h("span", text));
}

export function labels(list, { each = null } = {}) {
	if (list.length === 0)
		return h("span", { class: "muted" }, "none");
	return h("ul", { class: "labels" }, list.map((label) => {
		const [key, ...rest] = label.split("=");
		const text = rest.length > 0 ? [h("span", { class: "label-key" }, `${key}=`), rest.join("=")] : key;

		return h("li", each ? h("a", { class: "label", href: each(label) }, text) : h("span", { class: "label" }, text));
	}));
}

export function mono(text) {
	return h("code", text);
}

export function idText(id) {
	return h("code", { class: "id", title: id }, id.length > 12 ? id.slice(0, 8) : id);
}

export function button(text, onclick, { kind = "", icon: name = null, ...rest } = {}) {
	return h("button", { class: `button ${kind}`.trim(), type: "button", onclick, ...rest },
		name && icon(name), h("span", text));
}

export function linkButton(text, href, { kind = "", icon: name = null, ...rest } = {}) {
	return h("a", { class: `button ${kind}`.trim(), href, ...rest }, name && icon(name), h("span", text));
}

export function iconButton(text, name, onclick, rest = {}) {
	return h("button", { class: "icon-button", type: "button", "aria-label": text, title: text, onclick, ...rest },
		icon(name));
}

export function empty(title, text = null, action = null) {
	return h("div", { class: "state" }, h("p", { class: "state-title" }, title), text && h("p", text), action);
}

const FAILURES = {
	404: ["Not found", "There is nothing here. It may have been removed, or the address is not quite right."],
	403: ["No permission", "Your role doesn't permit this page. An administrator can change that."],
};

const AWAY = ["This can't be shown now", "It is in the database. It comes by itself as soon as that answers again."];

// A page in its own right: something is not there, not permitted, or failed. again: what a button tries, and what is
// done when the database is back, if that was it.
export function failure(error, again = null) {
	const [title, text] = isAway(error) ? AWAY : FAILURES[error.status] ?? ["That didn't work", error.message];
	const known = error.status in FAILURES;

	const node = h("div", { class: "state state-page", role: known || isAway(error) ? null : "alert", "data-title": title },
		icon(known ? "info" : "warn"), h("h1", title), h("p", text),
		h("div", { class: "actions" },
			known && linkButton("To the overview", "/"),
			again && !known && button("Try again", again, { icon: "retry", kind: "primary" })));

	if (again && isAway(error))
		onceBack(() => node.isConnected && again());
	return node;
}

export function skeleton() {
	return h("div", { class: "skeleton", role: "status" }, h("span", { class: "visually-hidden" }, "Loading …"),
		h("div", { class: "bone bone-title" }), h("div", { class: "bone bone-card" }), h("div", { class: "bone bone-card" }));
}

export function switcher(name, choices, value, onchange) {
	const group = newId("switch");

	return h("fieldset", { class: "switcher" }, h("legend", { class: "visually-hidden" }, name),
		choices.map(([key, text]) => h("label",
			h("input", { type: "radio", name: group, value: key, checked: key === value, onchange: () => onchange(key) }),
			h("span", text))));
}

// A button that opens a list of acts: arrows go through it, Escape closes it.
export function menu(text, items, { icon: name = "more", kind = "", align = "end", content = null } = {}) {
	const id = newId("menu");
	const acts = items.filter(Boolean).map(([label, act, options = {}]) => h(options.href ? "a" : "button", {
		role: "menuitem", tabindex: "-1", class: options.danger ? "danger" : "", href: options.href,
		type: options.href ? null : "button",
		onclick: () => {
			list.hidePopover();
			act?.();
		},
	}, options.icon && icon(options.icon), h("span", label)));
	const list = h("div", {
		id, class: "menu", role: "menu", popover: "auto",
		onkeydown: (event) => {
			const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
			const at = acts.indexOf(document.activeElement);

			if (event.key === "Home" || event.key === "End")
				acts.at(event.key === "Home" ? 0 : -1).focus();
			else if (step)
				acts[(at + step + acts.length) % acts.length].focus();
			else
				return;
			event.preventDefault();
		},
		ontoggle: (event) => {
			opener.setAttribute("aria-expanded", String(event.newState === "open"));
			if (event.newState === "open") {
				below(opener, list, align);
				acts[0]?.focus();
			}
		},
	}, acts);
	const opener = h("button", {
		class: content ? `menu-button ${kind}` : `icon-button ${kind}`.trim(), type: "button", popovertarget: id,
		"aria-haspopup": "menu", "aria-expanded": "false", "aria-label": content ? null : text,
		title: content ? null : text,
	}, content ?? icon(name));

	return h("span", { class: "menu-place" }, opener, list);
}

// Styles in markup are not allowed here; those that a script sets are.
function below(opener, list, align) {
	const from = opener.getBoundingClientRect(), size = list.getBoundingClientRect();
	const left = align === "end" ? from.right - size.width : from.left;
	const under = from.bottom + 4 + size.height <= innerHeight;

	list.style.left = `${Math.max(8, Math.min(left, innerWidth - size.width - 8))}px`;
	list.style.top = `${under ? from.bottom + 4 : Math.max(8, from.top - size.height - 4)}px`;
}

// A box with a search: f gets the text, a little after the last letter.
export function searchBox(label, value, f, { placeholder = label } = {}) {
	let timer = null;
	const input = h("input", {
		type: "search", value, placeholder, "aria-label": label, autocomplete: "off", spellcheck: "false",
		"data-search": true,
		oninput: () => {
			clearTimeout(timer);
			timer = setTimeout(() => f(input.value.trim()), 200);
		},
	});

	return h("div", { class: "search" }, icon("search"), input);
}

// What is told to those who don't see the page change.
let speaker = null;
export function announce(text) {
	if (!speaker) {
		speaker = h("div", { class: "visually-hidden", "aria-live": "polite" });
		document.body.append(speaker);
	}
	fill(speaker, text);
}
