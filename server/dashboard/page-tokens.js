// SPDX-License-Identifier: MIT
// All tokens, and the way to a new one.

import { get } from "./api.js";
import { h } from "./dom.js";
import { empty, header, labels, linkButton, switcher, card } from "./ui.js";
import { can } from "./session.js";
import { table } from "./table.js";
import { expiry, stateBadge, usesText } from "./token.js";
import { when } from "./time.js";

const COLUMNS = [
	{ title: "Token", cell: (t) => [t.note ?? h("code", t.id), t.note && h("code", { class: "sub" }, t.id)] },
	{ title: "State", class: "corner", cell: stateBadge },
	{ title: "Labels", class: "hide-medium", cell: (t) => labels(t.labels) },
	{ title: "Used", class: "nowrap", cell: usesText },
	{ title: "Expires", class: "nowrap", cell: expiry },
	{ title: "Made", class: "nowrap hide-medium hide-narrow", cell: (t) => when(t.created) },
];

function nothing(state) {
	if (state !== "live")
		return empty("No tokens yet", "A token is what a machine shows to be let in. Each one that you make is listed here, with who used it.");
	return empty("No live tokens", "Nothing can enrol at the moment. Make a token when the next machine comes.",
		can("operator") && linkButton("Make a token", "/tokens/new", { icon: "plus" }));
}

export async function page(view) {
	let state = view.query.get("state") === "all" ? null : "live";
	const list = table({
		label: "Tokens", columns: COLUMNS, signal: view.signal,
		fetch: ({ after, limit, signal }) => get("/tokens", { after, limit, state, order: "newest" }, { signal })
			.then((answer) => ({ rows: answer.tokens, next: answer.next })),
		key: (t) => t.id,
		href: (t) => `/tokens/${t.id}`,
		empty: () => nothing(state),
	});

	view.watch(["tokens"], () => list.refresh());
	return [
		header("Tokens", {
			lead: "What a machine shows to be let in: so many uses, until then, with these labels.",
			actions: can("operator") ? [linkButton("Make a token", "/tokens/new", { kind: "primary", icon: "plus", "data-key": "n" })] : [],
		}),
		h("div", { class: "toolbar" }, switcher("Which tokens", [["live", "Live"], ["all", "All"]], state ?? "all", (value) => {
			state = value === "live" ? "live" : null;
			view.setQuery({ state: value === "live" ? null : "all" });
			list.reload();
		})),
		card({ flush: true }, list.root),
	];
}
