// SPDX-License-Identifier: MIT
// What machines have sent, as it comes.

import { get, path } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { card, empty, header, linkButton, searchBox } from "./ui.js";
import { senderOf, textOf } from "./message.js";
import { table } from "./table.js";
import { when } from "./time.js";

const SPANS = [["", "At any time"], ["1", "In the last hour"], ["24", "In the last day"], ["168", "In the last week"]];
const FILTERS = ["q", "type", "client", "hours"];

const COLUMNS = [
	{ title: "Received", class: "nowrap", cell: (m) => when(m.received) },
	{ title: "Machine", class: "machine-cell", cell: senderOf },
	{ title: "Type", class: "nowrap", cell: (m) => h("code", m.type) },
	{ title: "Text", class: "bare-cell wide", cell: textOf },
];

// The server takes whole seconds.
function since(hours) {
	return hours ? new Date(Date.now() - hours * 3600000).toISOString().replace(/\.\d+Z$/, "Z") : null;
}

async function chosenMachine(view, id) {
	const client = await get(path`/clients/${id}`, null, { signal: view.signal }).catch(() => null);

	return h("p", { class: "chosen" }, "Of ", h("a", { href: path`/machines/${id}` }, client?.hostname ?? id.slice(0, 12)), " only",
		h("a", { class: "label-remove", href: "/messages", "aria-label": "Of all machines" }, icon("close")));
}

export async function page(view) {
	const asked = Object.fromEntries(FILTERS.map((name) => [name, view.query.get(name) ?? ""]));
	const list = table({
		label: "Messages", columns: COLUMNS, signal: view.signal,
		fetch: ({ after, limit, signal }) => get("/messages", {
			order: "newest", q: asked.q, type: asked.type, client: asked.client, since: since(Number(asked.hours)), after, limit,
		}, { signal }).then((answer) => ({ rows: answer.messages, next: answer.next })),
		key: (m) => String(m.seq),
		empty: () => (FILTERS.some((name) => asked[name])
			? empty("No message fits", "Other words, another type, or a longer time may have some.", linkButton("Show all messages", "/messages"))
			: empty("No messages yet", "What is given to muster-agent send on a machine arrives here.")),
	});
	let timer = null;
	const ask = (name) => (value) => {
		if (asked[name] === value)
			return;
		asked[name] = value;
		view.setQuery({ [name]: value });
		list.reload();
	};
	const type = h("input", {
		type: "text", value: asked.type, placeholder: "backup.done", "aria-label": "Type", autocomplete: "off", spellcheck: "false", autocapitalize: "none",
		oninput: () => {
			clearTimeout(timer);
			timer = setTimeout(() => ask("type")(type.value.trim()), 300);
		},
	});
	const span = h("select", { "aria-label": "When", onchange: () => ask("hours")(span.value) }, SPANS.map(([key, words]) => h("option", { value: key }, words)));
	const chosen = h("div");

	span.value = asked.hours;
	if (asked.client)
		fill(chosen, await chosenMachine(view, asked.client));
	view.watch(["messages"], () => list.refresh());
	return [
		header("Messages"),
		h("div", { class: "toolbar", role: "search" },
			searchBox("Search messages", asked.q, ask("q"), { placeholder: "Words of the text, or a machine" }),
			h("label", { class: "selector" }, h("span", { class: "muted" }, "Type"), type), span),
		chosen,
		card({ flush: true }, list.root),
	];
}
