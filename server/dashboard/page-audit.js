// SPDX-License-Identifier: MIT
// Who did what to what, and whether the chain of these entries holds.

import { get, path } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { button, card, empty, failure, header, linkButton, number, searchBox } from "./ui.js";
import { table } from "./table.js";
import { when } from "./time.js";

const KINDS = [["", "Every kind"], ["client.", "Machines"], ["token.", "Tokens"], ["config.", "Configurations"], ["rollout.", "Roll-outs"],
	["admin.", "Administrators"], ["session.", "Logins"], ["api-token.", "API tokens"], ["server.", "The server"]];
const FILTERS = ["q", "act", "object"];

function objectOf(e) {
	if (/^[0-9a-f]{32}$/.test(e.object))
		return h("a", { href: path`/machines/${e.object}` }, h("code", e.object.slice(0, 12)));
	if (/^t-[0-9a-z]{10}$/.test(e.object))
		return h("a", { href: path`/tokens/${e.object}` }, h("code", e.object));
	const [, name, revision] = /^([a-z0-9][a-z0-9._-]*)@(\d+)$/.exec(e.object) ?? [];
	if (name && e.act.startsWith("config."))
		return h("a", { href: path`/configurations/${name}/history` }, `${name}, revision ${revision}`);
	if (/^\d+$/.test(e.object) && e.act.startsWith("rollout."))
		return h("a", { href: path`/releases/${e.object}` }, e.object);
	return e.object || "–";
}

const COLUMNS = [
	{ title: "Entry", class: "num nowrap", cell: (e) => number(e.seq) },
	{ title: "When", class: "nowrap", cell: (e) => when(e.time) },
	{ title: "Who", class: "who", cell: (e) => h("span", { class: "actor" }, e.actor) },
	{ title: "Did", class: "nowrap", cell: (e) => h("code", e.act) },
	{ title: "To", class: "nowrap", cell: objectOf },
	{ title: "Detail", class: "wide", cell: (e) => h("span", { class: "detail" }, e.detail) },
];

function verdict(v) {
	if (v.ok)
		return h("div", { class: "notice notice-good" }, icon("good"), h("div",
			h("p", h("strong", "The chain holds. "), `All ${number(v.entries)} entries are as they were written.`),
			h("p", { class: "muted" }, "Its head, to be kept elsewhere: ", h("code", { class: "head" }, v.head))));
	return h("div", { class: "notice notice-bad" }, icon("bad"), h("div",
		h("p", h("strong", `The chain is broken at entry ${number(v.first_bad)}. `),
			"Somebody has changed, taken out or added entries there in the database itself. What is before it is as it was written.")));
}

function verification() {
	const place = h("div", { role: "status" });
	const go = button("Verify the chain", async () => {
		go.disabled = true;
		go.setAttribute("aria-busy", "true");
		fill(place, h("p", { class: "muted" }, "Every entry is checked …"));
		try {
			fill(place, verdict(await get("/audit/verify")));
		} catch (error) {
			fill(place, failure(error));
		}
		go.disabled = false;
		go.removeAttribute("aria-busy");
	}, { icon: "good" });

	return { go, place };
}

export async function page(view) {
	const asked = Object.fromEntries(FILTERS.map((name) => [name, view.query.get(name) ?? ""]));
	const list = table({
		label: "Audit log", columns: COLUMNS, signal: view.signal,
		fetch: ({ after, limit, signal }) => get("/audit", { order: "newest", ...asked, after, limit }, { signal })
			.then((answer) => ({ rows: answer.entries, next: answer.next })),
		key: (e) => String(e.seq),
		empty: () => empty("No entry fits", "Other words or another kind may have some.", linkButton("Show all entries", "/audit")),
	});
	const ask = (name) => (value) => {
		if (asked[name] === value)
			return;
		asked[name] = value;
		view.setQuery({ [name]: value });
		list.reload();
	};
	const kind = h("select", { "aria-label": "Kind", onchange: () => ask("act")(kind.value) }, KINDS.map(([key, words]) => h("option", { value: key }, words)));
	const check = verification();

	kind.value = asked.act;
	view.watch(["audit"], () => list.refresh());
	return [
		header("Audit", { lead: "Each entry has the hash of the one before it, so that no one can be changed unseen.", actions: [check.go] }),
		check.place,
		h("div", { class: "toolbar", role: "search" },
			searchBox("Search the audit log", asked.q, ask("q"), { placeholder: "Who, what, or a word of it" }), kind),
		card({ flush: true }, list.root),
	];
}
