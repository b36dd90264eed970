// SPDX-License-Identifier: MIT
// One configuration: how far the machines are, its content, its revisions.

import { get, path, post } from "./api.js";
import { fill, h } from "./dom.js";
import { badge, button, card, empty, facts, failure, header, linkButton, menu, searchBox } from "./ui.js";
import { can } from "./session.js";
import { changedIds, nameOf, part } from "./machine.js";
import { OUTCOMES, outcomeBadge, progressBar, refusal, revisions } from "./outcome.js";
import { content, difference, forWhom, forWhomText, sizeText } from "./configuration.js";
import { confirm, open } from "./dialog.js";
import { copyButton, download } from "./copy.js";
import { table } from "./table.js";
import { when } from "./time.js";
import { toast } from "./toast.js";
import { go } from "./router.js";
import { choice, form, text } from "./form.js";

const PARTS = [
	{ key: "", text: "Roll-out", show: rollout },
	{ key: "content", text: "Content", role: "operator", show: contentPart },
	{ key: "history", text: "History", show: history },
];

// ---- the roll-out

const COLUMNS = [
	{ title: "Machine", class: "machine-cell", cell: nameOf },
	{ title: "Outcome", class: "corner", cell: (s) => outcomeBadge(s.state) },
	{ title: "Revision", class: "nowrap", cell: revisions },
	{ title: "What it says", class: "wide bare-cell", cell: refusal },
];

function rollout(view, name) {
	const bar = h("div"), showBar = part(bar, (data) => progressBar(data.progress, data.outcome, (o) => show(o)));
	let outcome = view.query.get("outcome") in OUTCOMES ? view.query.get("outcome") : "";
	let q = view.query.get("q") ?? "", progress = null;
	const list = table({
		label: `Machines with ${name}`, columns: COLUMNS, signal: view.signal,
		fetch: ({ after, limit, signal }) => get(path`/configs/${name}/status`, { outcome, q, after, limit }, { signal })
			.then((answer) => ({ rows: answer.clients, next: answer.next })),
		key: (s) => s.id,
		href: (s) => path`/machines/${s.id}`,
		empty: () => (outcome || q ? empty("No machine of that kind") : empty("It is meant for no machine", "As soon as a machine has the labels that it goes by, it is sent.")),
	});
	const look = async () => {
		try {
			progress = await get(path`/configs/${name}/progress`, null, { signal: view.signal });
			showBar({ progress, outcome });
		} catch (error) {
			if (error.status === undefined && error.name !== "AbortError")
				console.error(error);
		}
	};
	const show = (next) => {
		outcome = next;
		view.setQuery({ outcome });
		if (progress)
			showBar({ progress, outcome });
		list.reload();
		bar.querySelector("[aria-pressed=true]")?.focus();
	};

	look();
	view.watch(["receipts", "configs", "clients", "status"], (changes) => {
		const ids = changedIds(changes, ["receipts", "clients", "status"]);
		look();
		list.refresh(outcome || changes.has("configs") || ids === null ? null : new Set([...ids].map((id) => id.split(" ").at(-1))));
	});
	return [card("How far the machines are", bar),
		h("div", { class: "toolbar", role: "search" }, searchBox("Search machines", q, (value) => {
			q = value;
			view.setQuery({ q });
			list.reload();
		}, { placeholder: "Name, address, label or id" })),
		card({ flush: true }, list.root)];
}

// ---- the content

function shown(revision) {
	const { text: words, bytes } = content(revision.content ?? "");

	if (revision.kind === "remove")
		return empty("It is removed", "This revision takes it away from the machines that it is for.");
	if (bytes)
		return empty("It is not text", `${sizeText(bytes.length)}, SHA-256 ${revision.sha256}`,
			button("Download", () => download(revision.name, bytes, "application/octet-stream"), { icon: "download" }));
	return h("pre", { class: "text", tabindex: "0", role: "region", "aria-label": "Content" }, words);
}

async function contentPart(view, name) {
	const revision = await get(path`/configs/${name}`, { revision: view.query.get("revision") }, { signal: view.signal });
	const words = revision.kind === "remove" ? null : content(revision.content).text;

	return h("div", { class: "columns" },
		card({ title: `Revision ${revision.revision}`, actions: words === null || words === undefined ? [] : [copyButton(words, { small: true })] }, shown(revision)),
		card("About it", facts([
			["For", forWhom(revision.selector)],
			["Size", revision.kind === "remove" ? null : sizeText(revision.size)],
			["SHA-256", revision.sha256 && h("code", revision.sha256)],
			["Made", when(revision.created)],
			["By", h("span", { class: "actor" }, revision.created_by)],
			["Note", revision.note],
		])));
}

// ---- the revisions

async function showDifference(name, from, to) {
	let text;

	try {
		text = await get(path`/configs/${name}/diff`, { from, to }, { as: "text" });
	} catch (error) {
		toast(error);
		return;
	}
	await open({
		title: `From revision ${from} to ${to}`, wide: true,
		content: () => difference(text),
	});
}

function compare(name, newest) {
	return open({
		title: `Compare revisions of ${name}`,
		content: (close) => form({
			fields: [h("div", { class: "fields" },
				text("from", "From revision", { type: "number", min: "1", max: String(newest), value: String(Math.max(1, newest - 1)), required: true, inputmode: "numeric" }),
				text("to", "To revision", { type: "number", min: "1", max: String(newest), value: String(newest), required: true, inputmode: "numeric" }))],
			submit: "Compare", cancel: () => close(null),
			send: async ({ from, to }) => {
				await showDifference(name, Number(from), Number(to));
			},
		}),
	});
}

async function rollBack(view, revision) {
	const { name } = revision, n = revision.revision;
	const sure = await confirm({
		title: `Roll ${name} back to revision ${n}?`, action: `Roll back ${name}`, danger: true,
		text: [`Its content becomes the newest revision, for ${forWhomText(revision.selector)}, and is sent to those that are connected at once.`],
	});

	if (!sure)
		return;
	try {
		const made = await post(path`/configs/${name}/rollback`, { revision: n });
		toast(`${name} is as in revision ${n}: it is revision ${made.revision} now.`);
		await go(path`/configurations/${name}`);
	} catch (error) {
		toast(error);
	}
}

function history(view, name, newest) {
	const columns = [
		{ title: "Revision", class: "nowrap", cell: (r) => `Revision ${r.revision}` },
		{ title: "Kind", class: "corner", cell: (r) => (r.kind === "remove" ? badge("idle", "removed") : badge("info", "set")) },
		{ title: "For", cell: (r) => forWhom(r.selector) },
		{ title: "Made", class: "nowrap", cell: (r) => when(r.created) },
		{ title: "By", class: "hide-medium hide-narrow", cell: (r) => h("span", { class: "actor" }, r.created_by) },
		{ title: "Note", class: "hide-narrow", cell: (r) => r.note ?? "" },
		{ title: "Acts", hidden: true, class: "row-acts bare-cell", cell: (r) => can("operator") && h("div", { class: "actions" },
			r.revision > 1 && button("What changed", () => showDifference(name, r.revision - 1, r.revision), { kind: "small", "aria-label": `What revision ${r.revision} changed` }),
			r.revision < list.newest && button("Roll back …", () => rollBack(view, r), { kind: "small", "aria-label": `Roll back to revision ${r.revision}` })) },
	];
	const list = { newest: newest.revision };
	const shownList = table({
		label: `Revisions of ${name}`, columns, signal: view.signal,
		fetch: ({ after, limit, signal }) => get(path`/configs/${name}/history`, { after, limit }, { signal }).then((answer) => {
			if (!after && answer.revisions.length > 0)
				list.newest = answer.revisions[0].revision;
			return { rows: answer.revisions, next: answer.next };
		}),
		key: (r) => String(r.revision),
		empty: () => empty("No revisions"),
	});

	view.watch(["configs"], () => shownList.refresh());
	return card({
		title: "Revisions", flush: true,
		actions: can("operator") && newest.revision > 1 ? [button("Compare two …", () => compare(name, list.newest), { kind: "small" })] : [],
	}, shownList.root);
}

// ---- its end

function removal(view, newest) {
	const { name } = newest;

	return open({
		title: `Remove ${name} from machines?`, role: "alertdialog",
		content: (close) => {
			const selector = text("selector", "Machines with", { value: newest.selector.startsWith("client:") ? "" : newest.selector, spellcheck: "false", autocapitalize: "none" });
			const typed = text("typed", ["Type ", h("code", name), " to go on"], { required: true, spellcheck: "false", autocapitalize: "none" });

			selector.hidden = true;
			const node = form({
				fields: [
					h("p", "The file is taken from them, and their hooks are told. The revisions stay: rolling back brings it back."),
					choice("whom", "From", [["all", "all machines"], ["some", "the machines of some labels"]], {
						onchange: (value) => (selector.hidden = value !== "some"),
					}), selector, typed],
				submit: "Remove configuration", kind: "danger solid", cancel: () => close(false),
				send: async (values) => {
					await post(path`/configs/${name}/remove`, { selector: values.whom === "all" ? "*" : values.selector });
					close(true);
				},
			});
			const submit = node.querySelector("button[type=submit]");

			submit.disabled = true;
			typed.input.addEventListener("input", () => (submit.disabled = typed.input.value.trim() !== name));
			return node;
		},
	});
}

async function removeIt(view, newest) {
	if (!await removal(view, newest))
		return;
	toast(`${newest.name} is being taken away.`);
	await go(path`/configurations/${newest.name}`);
}

function tabs(name, current) {
	const shownParts = PARTS.filter((p) => !p.role || can(p.role));

	return h("nav", { class: "tabs", "aria-label": `Views of ${name}` }, h("ul", shownParts.map((p) =>
		h("li", h("a", { href: path`/configurations/${name}` + (p.key && `/${p.key}`), "aria-current": p === current ? "page" : null }, p.text)))));
}

export async function page(view) {
	const { name, part: key = "" } = view.params;
	const chosen = PARTS.find((p) => p.key === key);

	if (!chosen)
		return failure({ status: 404 });
	if (chosen.role && !can(chosen.role))
		return failure({ status: 403 });
	const { revisions: [newest] } = await get(path`/configs/${name}/history`, { limit: 1 }, { signal: view.signal });
	const badges = h("div"), about = h("p", { class: "lead-line muted" });
	const head = part(badges, (r) => (r.kind === "remove" ? badge("idle", `removed, revision ${r.revision}`) : badge("info", `revision ${r.revision}`)));
	const lead = part(about, (r) => ["For ", forWhom(r.selector), h("span", "· ", when(r.created)), r.note && h("span", `· ${r.note}`)]);

	head(newest);
	lead(newest);
	view.title(`${name}${chosen.key ? ` · ${chosen.text}` : ""}`);
	view.watch(["configs"], async () => {
		const { revisions: [now] } = await get(path`/configs/${name}/history`, { limit: 1 }, { signal: view.signal }).catch(() => ({ revisions: [newest] }));
		head(now);
		lead(now);
	});
	return [
		header(name, {
			back: ["/configurations", "Configurations"], badges: [badges],
			actions: can("operator") ? [
				linkButton("Edit", path`/configurations/${name}/edit`, { icon: "edit", "data-key": "n" }),
				menu(`More for ${name}`, [["Remove from machines …", () => removeIt(view, newest), { danger: true, icon: "trash" }]]),
			] : [],
		}),
		about,
		tabs(name, chosen),
		await chosen.show(view, name, newest),
	];
}
