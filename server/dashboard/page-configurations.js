// SPDX-License-Identifier: MIT
// The newest revision of each configuration, and the way to a new one.

import { get, path } from "./api.js";
import { h } from "./dom.js";
import { badge, card, empty, header, linkButton } from "./ui.js";
import { can } from "./session.js";
import { forWhom, sizeText } from "./configuration.js";
import { table } from "./table.js";
import { when } from "./time.js";

const COLUMNS = [
	{ title: "Name", cell: (r) => [r.name, r.note && h("span", { class: "sub" }, r.note)] },
	{ title: "State", class: "corner", cell: (r) => (r.kind === "remove" ? badge("idle", "removed") : badge("info", `revision ${r.revision}`)) },
	{ title: "For", cell: (r) => forWhom(r.selector) },
	{ title: "Size", class: "num nowrap hide-narrow", cell: (r) => (r.kind === "remove" ? "–" : sizeText(r.size)) },
	{ title: "Changed", class: "nowrap", cell: (r) => when(r.created) },
	{ title: "By", class: "hide-medium hide-narrow", cell: (r) => h("span", { class: "actor" }, r.created_by) },
];

export async function page(view) {
	const list = table({
		label: "Configurations", columns: COLUMNS, signal: view.signal,
		fetch: ({ after, limit, signal }) => get("/configs", { after, limit }, { signal }).then((answer) => ({ rows: answer.configs, next: answer.next })),
		key: (r) => r.name,
		href: (r) => path`/configurations/${r.name}`,
		empty: () => empty("No configurations yet", "A configuration is a file for the machines of some labels. They check it, apply it, and say whether it worked.",
			can("operator") && linkButton("Make a configuration", "/configurations/-/new", { icon: "plus", kind: "primary" })),
	});

	view.watch(["configs"], () => list.refresh());
	return [
		header("Configurations", {
			lead: "What machines should have, by their labels. The newest revision that means a machine is the one it should have.",
			actions: can("operator") ? [linkButton("Make a configuration", "/configurations/-/new", { kind: "primary", icon: "plus", "data-key": "n" })] : [],
		}),
		card({ flush: true }, list.root),
	];
}
