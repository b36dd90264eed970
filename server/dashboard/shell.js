// SPDX-License-Identifier: MIT
// The frame around the pages: navigation, who is logged in, whether changes come in, light or dark, shortcuts.

import { whenAway } from "./away.js";
import { notice } from "./away-notice.js";
import { fill, h } from "./dom.js";
import { icon, mark } from "./icons.js";
import { iconButton, menu } from "./ui.js";
import { open } from "./dialog.js";
import { toast } from "./toast.js";
import { start as startEvents, stop as stopEvents, whenState } from "./events.js";
import { logout, session } from "./session.js";
import { go } from "./router.js";
import * as settings from "./browser.js";

// key: what follows "g" on the keyboard.
const LINKS = [
	{ path: "/", text: "Overview", icon: "overview", key: "o" },
	{ path: "/machines", text: "Machines", icon: "machines", key: "m" },
	{ path: "/configurations", text: "Configurations", icon: "configurations", key: "c" },
	{ path: "/releases", text: "Releases", icon: "releases", key: "r" },
	{ path: "/tokens", text: "Tokens", icon: "tokens", key: "t" },
	{ path: "/messages", text: "Messages", icon: "messages", key: "e" },
	{ path: "/audit", text: "Audit", icon: "audit", key: "a" },
	{ path: "/settings", text: "Settings", icon: "settings", key: "s" },
];
const STATES = {
	live: ["Live", "Changes are shown as they happen."],
	waiting: ["Connecting", "The connection for changes is being made again."],
	polling: ["Every 15 s", "Changes don't come through by themselves; the page asks each 15 seconds."],
	before: ["From before", "The database doesn't answer; what is shown is from before."],
	off: ["", ""],
};

let frame = null;

function themeItems() {
	return [["light", "Light", "light"], ["dark", "Dark", "dark"], ["system", "As the system", "system"]]
		.map(([value, text, name]) => [text, () => settings.setTheme(value), { icon: name }]);
}

async function leave() {
	try {
		await logout();
	} catch (error) {
		toast(error);
		return;
	}
	location.assign("/login");
}

function userMenu() {
	const who = session();

	return menu("Your account", [
		["Your account", () => go("/settings/account"), { icon: "user" }],
		["Keyboard", showKeys, { icon: "keyboard" }],
		...themeItems(),
		who.how === "session" && ["Log out", leave, { icon: "logout" }],
	], {
		kind: "user",
		content: [icon("user"), h("span", { class: "user-name" }, h("span", who.name ?? who.how), h("small", who.role))],
	});
}

function liveSign() {
	const node = h("p", { class: "live", role: "status" });

	let stream = "off", since = null;
	const show = () => {
		const state = since === null ? stream : "before", [text, title] = STATES[state];
		node.dataset.state = state;
		node.title = title;
		fill(node, text && [h("span", { class: "live-dot", "aria-hidden": "true" }), text]);
	};

	whenState((state) => show(stream = state));
	whenAway((time) => show(since = time));
	return node;
}

function navigation(close) {
	return h("nav", { "aria-label": "Pages" }, h("ul", LINKS.map((link) =>
		h("li", h("a", { href: link.path, class: "nav-link", "data-nav": link.path, onclick: close },
			icon(link.icon), h("span", link.text))))));
}

function brand() {
	return h("a", { class: "brand", href: "/", "aria-label": "muster: overview" }, mark(), h("span", "muster"));
}

function openDrawer() {
	open({
		title: "Pages",
		content: (close) => h("div", { class: "drawer" }, navigation(() => close(null))),
	});
	markCurrent(frame.nav);
}

function markCurrent(nav) {
	frame.nav = nav;
	for (const link of document.querySelectorAll("[data-nav]")) {
		if (link.dataset.nav === nav)
			link.setAttribute("aria-current", "page");
		else
			link.removeAttribute("aria-current");
	}
}

function build() {
	const main = h("main", { id: "main", tabindex: "-1" });

	fill(document.body,
		h("a", { class: "skip", href: "#main" }, "Skip to the page"),
		h("div", { class: "shell" },
			h("header", { class: "side" },
				h("div", { class: "side-top" }, iconButton("Pages", "menu", openDrawer, { class: "icon-button open-drawer" }), brand()),
				navigation(),
				h("div", { class: "side-end" }, liveSign(), userMenu())),
			h("div", { class: "page" }, notice, main)));
	frame = { main, nav: null };
	startEvents();
}

// Where a page goes. Bare pages (the login) have no frame.
export function place(route) {
	if (route?.bare || !session()) {
		frame = null;
		stopEvents();
		const main = h("main", { id: "main", class: "bare", tabindex: "-1" });
		fill(document.body, notice, main);
		return main;
	}
	if (!frame)
		build();
	markCurrent(route?.nav ?? null);
	return frame.main;
}

// ---- keyboard

function showKeys() {
	const row = (keys, text) => h("div", h("dt", keys.map((k) => h("kbd", k))), h("dd", text));

	open({
		title: "Keyboard",
		content: () => h("div",
			h("dl", { class: "keys" }, LINKS.map((l) => row(["g", l.key], l.text)),
				row(["/"], "Search on this page"), row(["n"], "Make something new on this page"), row(["?"], "This list")),
			h("label", { class: "field field-check" },
				h("input", { type: "checkbox", checked: settings.shortcuts(), onchange: (e) => settings.setShortcuts(e.target.checked) }),
				h("span", "Use single keys as shortcuts"))),
	});
}

let pressedG = 0;

// A page's own: a node with data-key="n" is pressed.
function pressed(event) {
	if (Date.now() - pressedG < 1500) {
		pressedG = 0;
		const link = LINKS.find((l) => l.key === event.key);
		return link ? () => go(link.path) : null;
	}
	if (event.key === "g")
		return () => (pressedG = Date.now());
	if (event.key === "?")
		return showKeys;
	if (event.key === "/")
		return () => document.querySelector("[data-search]")?.focus();
	const own = document.querySelector(`#main [data-key="${CSS.escape(event.key)}"]:is(a, button):not(:disabled)`);
	return own ? () => own.click() : null;
}

function onKey(event) {
	const typing = event.target.closest?.("input, textarea, select, [contenteditable], dialog, [popover]");

	if (!frame || typing || event.ctrlKey || event.metaKey || event.altKey || !settings.shortcuts())
		return;
	const act = pressed(event);
	if (act) {
		event.preventDefault();
		act();
	}
}

document.addEventListener("keydown", onKey);

