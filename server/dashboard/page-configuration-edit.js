// SPDX-License-Identifier: MIT
// A new revision of a configuration: edited or uploaded, and for whom, with how many that are.

import { get, path, post } from "./api.js";
import { fill, h } from "./dom.js";
import { button, card, count, header } from "./ui.js";
import { area, form, text } from "./form.js";
import { confirm } from "./dialog.js";
import { go } from "./router.js";
import { toast } from "./toast.js";
import { content, encode, forWhomText, sizeText } from "./configuration.js";
import { whomField, whomOf } from "./whom.js";

const MAX = 1 << 20;

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

async function push(name, whom, bytes, note) {
	const target = whom.value();
	const sure = !whom.isAll() || await confirm({
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
	const whom = whomField(view, whomOf(old?.selector, view.query.get("client")));
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
