// SPDX-License-Identifier: MIT
// A new revision of a configuration: edited or uploaded, and for whom, with how many that are.

import { get, path, post } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { button, card, count, header } from "./ui.js";
import { area, form, text } from "./form.js";
import { confirm } from "./dialog.js";
import { switcher } from "./ui.js";
import { go } from "./router.js";
import { toast } from "./toast.js";
import { content, encode, forWhomText, sizeText } from "./configuration.js";
import { nameOf } from "./machine.js";

const MAX = 1 << 20;
const WHOM = [["labels", "By labels"], ["all", "All machines"], ["one", "One machine"]];

// ---- what is in it: the text, or a file that is none

function contentField(view, old) {
	const start = old?.content ? content(old.content) : { text: "" };
	const field = area("content", "Content", { value: start.text ?? "", rows: 18, hint: "At most 1 MiB. The machine's own hooks check and apply it." });
	const about = h("p", { class: "file-told", role: "status" });
	const file = h("input", { type: "file", hidden: true, "aria-label": "File" });
	let bytes = start.bytes ?? null;
	const show = (name) => {
		field.input.hidden = bytes !== null;
		fill(about, bytes && [`${name}: ${sizeText(bytes.length)}, not text. `, h("button", {
			type: "button", class: "link-button", onclick: () => {
				bytes = null;
				show("");
				field.input.focus();
			},
		}, "Write a text instead")]);
	};
	const take = async (chosen) => {
		if (chosen.size > MAX) {
			field.problem(`${chosen.name} has ${sizeText(chosen.size)}: that is more than 1 MiB.`);
			return;
		}
		const read = content(encode(new Uint8Array(await chosen.arrayBuffer())));
		bytes = read.bytes ?? null;
		if (read.text !== undefined)
			field.input.value = read.text;
		field.problem(null);
		show(chosen.name);
		toast(`${chosen.name} is here; it is sent when you push it.`);
	};

	file.addEventListener("change", () => file.files[0] && take(file.files[0]));
	field.input.addEventListener("dragover", (event) => event.preventDefault());
	field.input.addEventListener("drop", (event) => {
		if (event.dataTransfer.files.length !== 1)
			return;
		event.preventDefault();
		take(event.dataTransfer.files[0]);
	});
	field.append(about, h("div", { class: "actions" }, file, button("Upload a file", () => file.click(), { icon: "upload", kind: "small" })));
	show("The newest revision");
	field.classList.add("content-field");
	return {
		field,
		bytes: () => bytes ?? new TextEncoder().encode(field.input.value),
		isChanged: () => (start.bytes ? bytes !== start.bytes : bytes !== null || field.input.value !== start.text),
	};
}

// ---- for whom

function selectorOf(old, client) {
	const selector = client ? `client:${client}` : old?.selector ?? "";

	if (selector === "*")
		return { whom: "all", selector: "", client: "" };
	return selector.startsWith("client:") ? { whom: "one", selector: "", client: selector.slice(7) } : { whom: "labels", selector, client: "" };
}

// How many it hits, as it is typed.
function whomField(view, start) {
	const told = h("p", { class: "hits", role: "status" });
	const selector = text("selector", "Machines with", { value: start.selector, placeholder: "role=web,site!=bonn", spellcheck: "false", autocapitalize: "none",
		hint: "KEY, KEY=VALUE, KEY!=VALUE or !KEY, with commas between them: all must hold." });
	const client = text("client", "Machine", { value: start.client, placeholder: "name or id", spellcheck: "false", autocapitalize: "none", list: "machines-found" });
	const found = h("datalist", { id: "machines-found" });
	let whom = start.whom, hits = null, timer = null, asked = null;
	const say = (n, words) => {
		hits = n;
		fill(told, words);
	};
	const countThem = async () => {
		const mine = asked = {};
		const value = whom === "all" ? "*" : selector.input.value.trim();

		selector.problem(null);
		if (value === "") {
			say(null, null);
			return;
		}
		try {
			const { count: n } = await get("/clients/count", { label: value, state: "enrolled" }, { signal: view.signal });
			if (asked === mine)
				say(n, [icon(n > 0 ? "machines" : "warn"), h("span", h("strong", count(n, "machine")), n === 1 ? " has these now" : " have these now")]);
			if (asked === mine && whom === "all")
				say(n, [icon("machines"), h("span", h("strong", count(n, "machine")), " now, and each that enrols later")]);
		} catch (error) {
			if (asked === mine && error.name !== "AbortError") {
				say(null, null);
				selector.problem(error.status === 400 ? "That is not a selector: terms KEY, KEY=VALUE, KEY!=VALUE or !KEY with commas between them." : error.message);
			}
		}
	};
	const findThem = async () => {
		const mine = asked = {}, q = client.input.value.trim();

		client.problem(null);
		if (q === "") {
			say(null, null);
			return;
		}
		try {
			const { clients } = await get("/clients", { q, state: "enrolled", limit: 6 }, { signal: view.signal });
			const exact = clients.find((c) => c.id === q) ?? (clients.length === 1 ? clients[0] : null);
			if (asked !== mine)
				return;
			fill(found, clients.map((c) => h("option", { value: c.id }, nameOf(c))));
			say(exact ? 1 : null, exact ? [icon("machines"), h("span", h("strong", nameOf(exact)), h("code", ` ${exact.id.slice(0, 12)}`))]
				: [icon("warn"), h("span", clients.length === 0 ? "No such machine." : "Several machines fit: choose one, or write more of it.")]);
			client.chosen = exact?.id ?? null;
		} catch (error) {
			if (error.name !== "AbortError")
				client.problem(error.message);
		}
	};
	const look = () => (whom === "one" ? findThem() : countThem());
	const show = (next) => {
		whom = next;
		selector.hidden = whom !== "labels";
		client.hidden = whom !== "one";
		selector.input.required = whom === "labels";
		client.input.required = whom === "one";
		say(null, null);
		look();
	};
	const soon = () => {
		clearTimeout(timer);
		timer = setTimeout(look, 200);
	};

	selector.input.addEventListener("input", soon);
	client.input.addEventListener("input", soon);
	view.watch(["clients"], look);
	show(whom);
	return {
		root: h("div", { class: "stack" }, switcher("For", WHOM, whom, show), selector, client, found, told),
		fields: [selector, client],
		hits: () => hits,
		value: () => ({ selector: whom === "one" ? undefined : whom === "all" ? "*" : selector.input.value.trim(),
			client: whom === "one" ? client.chosen ?? client.input.value.trim() : undefined }),
	};
}

async function push(name, whom, bytes, note) {
	const target = whom.value();
	const all = target.selector === "*";
	const sure = !all || await confirm({
		title: `Push ${name} to all machines?`, action: `Push to ${count(whom.hits() ?? 0, "machine")}`,
		text: "It is sent to each that is connected at once, and to the others when they come back.",
	});

	if (!sure)
		return;
	const made = await post("/configs", { name, ...target, content: encode(bytes), note: note || null });
	toast(`${name}, revision ${made.revision}, is on its way to ${forWhomText(made.selector)}.`);
	return made;
}

export async function page(view) {
	const given = view.params.name ?? null;
	const old = given && await get(path`/configs/${given}`, null, { signal: view.signal });
	const name = given ? null : text("name", "Name", { required: true, maxlength: "64", pattern: "[a-z0-9][a-z0-9._\\-]*", autocapitalize: "none", spellcheck: "false",
		hint: "As the file is called on the machine: a-z, 0-9, dots, underscores, dashes." });
	const text1 = contentField(view, old?.kind === "remove" ? null : old);
	const whom = whomField(view, selectorOf(old, view.query.get("client")));
	const note = text("note", "Note", { optional: true, maxlength: "200", hint: "What changes and why, for the history." });
	let pushed = false;
	const node = form({
		fields: [name, text1.field, h("div", { class: "field" }, h("span", { "aria-hidden": "true" }, "For"), whom.root), note].filter(Boolean),
		submit: "Push",
		send: async (values) => {
			const bytes = text1.bytes();
			if (bytes.length > MAX) {
				text1.field.problem(`This has ${sizeText(bytes.length)}: that is more than 1 MiB.`);
				return;
			}
			const made = await push(given ?? values.name, whom, bytes, values.note);
			if (made) {
				pushed = true;
				await go(path`/configurations/${made.name}`);
			}
		},
	});

	view.title(given ? `Edit ${given}` : "Make a configuration");
	view.unsaved(() => !pushed && text1.isChanged());
	return [
		header(given ? `Edit ${given}` : "Make a configuration", {
			back: given ? [path`/configurations/${given}`, given] : ["/configurations", "Configurations"],
			lead: given ? `What is pushed becomes revision ${old.revision + 1}. Revision ${old.revision} stays in the history.` : null,
		}),
		card({ class: "wide-form" }, node),
	];
}
