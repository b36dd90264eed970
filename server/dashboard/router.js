// SPDX-License-Identifier: MIT
//
// Which page is shown: paths as they are in the address bar, by the history API. main.js has the table of pages.
//
// A page is a module with
//
//   export async function page(view)       returns the node to show, or a list of nodes
//
//   view.params          the path's parts: { id }
//   view.query           URLSearchParams
//   view.signal          aborted when the page is left: give it to get()
//   view.title(text)     the document's title, "Tokens" unless the table's is right
//   view.setQuery(obj)   changes the address's query in place, without loading the page again; "" and null leave out
//   view.watch(topics, f)   events.js; ends with the page
//   view.every(ms, f)       ends with the page
//   view.onLeave(f)
//   view.unsaved(f)      f() true: leaving asks first
//   view.reload()        loads the page again, in place
//
// If it throws a Problem, that is shown, with a button to try again; 404 and 403 have pages of their own.

import { fill, h } from "./dom.js";
import { watch } from "./events.js";
import { confirm } from "./dialog.js";
import { failure, skeleton } from "./ui.js";
import { can } from "./session.js";
import { twice } from "./twice.js";

const SLOW = 200; // milliseconds, before anything tells of waiting
const routes = [];
let hooks = {};
let current = null;
let root = null;

// pattern: "/tokens/:id". title, nav (which of the navigation's links is current), role (the least), load: () =>
// import(…), bare: without the shell around it.
export function add(pattern, route) {
	const names = [];
	const source = pattern.replace(/:([a-z]+)/g, (_, name) => {
		names.push(name);
		return "([^/]+)";
	});

	routes.push({ ...route, names, matcher: new RegExp(`^${source}/?$`) });
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

function find(pathname) {
	for (const route of routes) {
		const match = route.matcher.exec(pathname);
		if (match)
			return { route, params: Object.fromEntries(route.names.map((n, i) => [n, decode(match[i + 1])])) };
	}
	return null;
}

class View {
	#end = new AbortController();
	#isUnsaved = () => false;

	constructor(url, route, params) {
		this.url = url;
		this.route = route;
		this.params = params;
		this.query = url.searchParams;
		this.signal = this.#end.signal;
	}

	get live() {
		return !this.signal.aborted;
	}

	onLeave(f) {
		this.signal.addEventListener("abort", f, { once: true });
	}

	title(text) {
		document.title = text ? `${text} · muster` : "muster";
	}

	watch(topics, f) {
		this.onLeave(watch(topics, f));
	}

	every(ms, f) {
		const timer = setInterval(f, ms);
		this.onLeave(() => clearInterval(timer));
	}

	setQuery(values) {
		for (const [name, value] of Object.entries(values)) {
			if (value === null || value === undefined || value === "")
				this.query.delete(name);
			else
				this.query.set(name, value);
		}
		history.replaceState(history.state, "", this.url.pathname + this.url.search);
	}

	unsaved(f) {
		this.#isUnsaved = f;
	}

	isUnsaved() {
		return this.live && this.#isUnsaved();
	}

	reload() {
		return this.live ? show(this.url, { keepScroll: true }) : null;
	}

	leave() {
		this.#end.abort();
	}
}

// The heading is where a reader of the screen goes on; nothing is scrolled by it.
function focusHeading() {
	const heading = root.querySelector("h1");

	if (!heading)
		return;
	heading.tabIndex = -1;
	heading.focus({ preventScroll: true });
}

function refusal(route) {
	if (!route)
		return failure({ status: 404 });
	return route.role && !can(route.role) ? failure({ status: 403 }) : null;
}

// A browser may take a module that has failed to come for failed until the page is loaded anew.
class Missing extends Error {
	constructor(cause) {
		super("A part of the dashboard has not come from the server.", { cause });
	}
}

// The module that a route's load() imports.
export async function moduleOf(route) {
	try {
		return await twice(route.load);
	} catch (error) {
		throw new Missing(error);
	}
}

async function content(view) {
	const refused = refusal(view.route);

	if (refused) {
		view.title(refused.dataset.title);
		return refused;
	}
	try {
		return await (await moduleOf(view.route)).page(view);
	} catch (error) {
		if (!view.live || error.name === "AbortError")
			return null;
		if (!error.status && error.status !== 0)
			console.error(error.cause ?? error);
		return failure(error, () => (error instanceof Missing ? location.reload() : view.reload()));
	}
}

async function show(url, { keepScroll = false, first = false } = {}) {
	const found = find(url.pathname);
	const route = found?.route ?? null;
	const slow = setTimeout(() => view.live && !keepScroll && fill(root, skeleton()), SLOW);
	const view = new View(url, route, found?.params ?? {});

	current?.leave();
	current = view;
	root = hooks.place(route);
	view.title(route?.title);
	root.setAttribute("aria-busy", "true");
	const node = await content(view);
	clearTimeout(slow);
	if (!view.live || node === null)
		return;
	fill(root, node);
	root.removeAttribute("aria-busy");
	hooks.shown(view);
	if (!keepScroll)
		window.scrollTo(0, history.state?.scroll ?? 0);
	if (!keepScroll && !first)
		focusHeading();
}

async function mayLeave() {
	if (!current?.isUnsaved())
		return true;
	return confirm({
		title: "Leave without saving?", text: "What you have changed on this page would be lost.",
		action: "Leave", cancel: "Stay", danger: true,
	});
}

function rememberScroll() {
	history.replaceState({ ...history.state, scroll: window.scrollY }, "");
}

export async function go(to, { replace = false } = {}) {
	if (!await mayLeave())
		return;
	if (replace) {
		history.replaceState({}, "", to);
	} else {
		rememberScroll();
		history.pushState({}, "", to);
	}
	await show(new URL(location.href));
}

// Links work as links: with a modifier, another button, a target or a download they are the browser's.
function onClick(event) {
	const link = event.target.closest?.("a[href]");

	if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey ||
		event.shiftKey || event.altKey || link.target || link.hasAttribute("download") ||
		link.origin !== location.origin || link.pathname.startsWith("/api/") || link.getAttribute("href")[0] === "#")
		return;
	event.preventDefault();
	go(link.pathname + link.search);
}

// place(route): where the page goes, the frame around it made as it should be. shown(view): it's there.
export function start(callbacks) {
	hooks = callbacks;
	history.scrollRestoration = "manual";
	document.addEventListener("click", onClick);
	window.addEventListener("popstate", () => {
		const now = new URL(location.href);
		// Within the page: #main.
		if (now.pathname + now.search !== current.url.pathname + current.url.search)
			show(now);
	});
	window.addEventListener("beforeunload", (event) => current?.isUnsaved() && event.preventDefault());
	return show(new URL(location.href), { first: true });
}

export function reload() {
	return current?.reload();
}
