// SPDX-License-Identifier: MIT
// All machines: searched, chosen and sorted by the server, whatever their number.

import { get, path } from "./api.js";
import { fill, h } from "./dom.js";
import { card, count, empty, header, labels, linkButton, searchBox } from "./ui.js";
import { can } from "./session.js";
import { STATES, changedIds, nameOf, statusBadge } from "./machine.js";
import { table } from "./table.js";
import { when } from "./time.js";

const SORTS = [["hostname", "By name"], ["-seen", "Last heard of first"], ["seen", "Longest away first"],
	["-enrolled", "Newest first"], ["enrolled", "Oldest first"]];
const CONNECTED = [["", "Connected or not"], ["yes", "Connected"], ["no", "Not connected"]];
const FILTERS = ["q", "label", "state", "connected"];

const COLUMNS = [
	{ title: "Machine", class: "machine-cell", cell: (c) => [nameOf(c), h("code", { class: "sub" }, c.id.slice(0, 12))] },
	{ title: "Status", class: "corner", cell: statusBadge },
	{ title: "Labels", class: "hide-narrow", cell: (c) => labels(c.labels, { each: (l) => `/machines?label=${encodeURIComponent(l)}` }) },
	{ title: "Heard of", class: "nowrap", cell: (c) => when(c.last_hello, { none: "never" }) },
	{ title: "Address", class: "hide-medium hide-narrow", cell: (c) => c.address ?? "–" },
];

function select(label, choices, value, f) {
	const node = h("select", { "aria-label": label, onchange: () => f(node.value) },
		choices.map(([key, words]) => h("option", { value: key }, words)));

	node.value = value;
	return node;
}

function selectorBox(value, f) {
	let timer = null;
	const input = h("input", {
		type: "text", value, placeholder: "role=web,site!=bonn", "aria-label": "Labels", autocomplete: "off", spellcheck: "false", autocapitalize: "none",
		oninput: () => {
			clearTimeout(timer);
			timer = setTimeout(() => f(input.value.trim()), 300);
		},
	});

	return h("label", { class: "selector" }, h("span", { class: "muted" }, "Labels"), input);
}

function nothing(asked) {
	if (asked.clones)
		return empty("No clones", "Each machine speaks with an identity of its own.", linkButton("Show all machines", "/machines"));
	if (FILTERS.some((name) => asked[name]))
		return empty("No machine fits", "Search for part of a name, an address, a label or an id; or take a filter away.",
			linkButton("Show all machines", "/machines"));
	return empty("No machines yet", "Each machine that enrols is listed here.",
		can("operator") && linkButton("Make a token", "/tokens/new", { icon: "plus", kind: "primary" }));
}

export async function page(view) {
	const asked = Object.fromEntries([...FILTERS, "sort"].map((name) => [name, view.query.get(name) ?? ""]));
	asked.clones = view.query.get("clones") ?? "";
	const sum = h("p", { class: "sum muted", role: "status" });
	const filters = () => Object.fromEntries(FILTERS.map((name) => [name, asked[name]]));
	let counting = null;
	const countAll = async () => {
		const mine = counting = {};
		try {
			const { count: n } = await get("/clients/count", filters(), { signal: view.signal });
			if (counting === mine)
				fill(sum, count(n, "machine"));
		} catch {
			if (counting === mine)
				fill(sum); // the table tells what is wrong
		}
	};
	const list = table({
		label: "Machines", columns: COLUMNS, signal: view.signal,
		fetch: ({ after, limit, signal }) => get("/clients", asked.clones ? { clones: "true", after, limit }
			: { ...filters(), sort: asked.sort || "hostname", after, limit }, { signal })
			.then((answer) => ({ rows: answer.clients, next: answer.next })),
		key: (c) => c.id,
		href: (c) => path`/machines/${c.id}`,
		empty: () => nothing(asked),
	});
	const ask = (name) => (value) => {
		if (asked[name] === value)
			return;
		asked[name] = value;
		view.setQuery({ [name]: value });
		list.reload();
		countAll();
	};

	if (asked.clones) {
		view.watch(["clients"], () => list.refresh());
		return [header("Machines with a copied identity", { back: ["/machines", "All machines"] }), card({ flush: true }, list.root)];
	}
	countAll();
	view.watch(["clients", "status"], (changes) => {
		const ids = changedIds(changes, ["clients", "status"]);
		list.refresh(changes.has("clients") ? null : ids);
		if (changes.has("clients") || asked.connected)
			countAll();
	});
	return [
		header("Machines"),
		h("div", { class: "toolbar", role: "search" },
			searchBox("Search machines", asked.q, ask("q"), { placeholder: "Name, address, label or id" }),
			selectorBox(asked.label, ask("label")),
			select("State", [["", "Every state"], ...STATES], asked.state, ask("state")),
			select("Connected", CONNECTED, asked.connected, ask("connected"))),
		h("div", { class: "toolbar sum-line" }, sum, h("div", { class: "end" }, select("Order", SORTS, asked.sort || "hostname", ask("sort")))),
		card({ flush: true }, list.root),
	];
}
