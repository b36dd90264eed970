// SPDX-License-Identifier: MIT
//
// For which machines something is meant, with how many that are as it is typed.
//
//   const whom = whomField(view, whomOf("role=web"))      or whomOf(null, client's id), whomOf(null)
//   whom.root, whom.fields       the node; what a form's error may be about
//   whom.value()                 { selector } or { client }, as the API takes them
//   whom.isAll()
//   whom.hits()                  the number, or null while it isn't known

import { get } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { count, switcher } from "./ui.js";
import { text } from "./form.js";
import { nameOf } from "./machine.js";

const WHOM = [["labels", "By labels"], ["all", "All machines"], ["one", "One machine"]];

export function whomOf(given, client = null) {
	const selector = client ? `client:${client}` : given ?? "";

	if (selector === "*")
		return { whom: "all", selector: "", client: "" };
	return selector.startsWith("client:") ? { whom: "one", selector: "", client: selector.slice(7) } : { whom: "labels", selector, client: "" };
}

export function whomField(view, start) {
	const told = h("p", { class: "hits", role: "status" });
	const selector = text("selector", "Machines with", { value: start.selector, placeholder: "role=web,site!=bonn", spellcheck: "false", autocapitalize: "none",
		hint: "KEY, KEY=VALUE, KEY!=VALUE or !KEY, with commas between them: all must hold." });
	const client = text("client", "Machine", { value: start.client, placeholder: "name or id", spellcheck: "false", autocapitalize: "none", list: "machines-found" });
	const found = h("datalist", { id: "machines-found" });
	let whom = start.whom, hits = null, timer = null, asked = null, toldWrong = false;
	// Only what was told here is taken back here: the form tells of problems at these fields too.
	const judge = (field, words) => {
		if (words || toldWrong)
			field.problem(words);
		toldWrong = words !== null;
	};
	const say = (n, words) => {
		hits = n;
		fill(told, words);
	};
	const countThem = async () => {
		const mine = asked = {};
		const value = whom === "all" ? "*" : selector.input.value.trim();

		if (value === "") {
			judge(selector, null);
			say(null, null);
			return;
		}
		try {
			const { count: n } = await get("/clients/count", { label: value, state: "enrolled" }, { signal: view.signal });
			if (asked !== mine)
				return;
			judge(selector, null);
			say(n, [icon(n > 0 ? "machines" : "warn"), h("span", h("strong", count(n, "machine")), n === 1 ? " has these now" : " have these now")]);
			if (whom === "all")
				say(n, [icon("machines"), h("span", h("strong", count(n, "machine")), " now, and each that enrols later")]);
		} catch (error) {
			if (asked === mine && error.name !== "AbortError") {
				say(null, null);
				judge(selector, error.status === 400 ? "That is not a selector: terms KEY, KEY=VALUE, KEY!=VALUE or !KEY with commas between them." : error.message);
			}
		}
	};
	const findThem = async () => {
		const mine = asked = {}, q = client.input.value.trim();

		if (q === "") {
			judge(client, null);
			say(null, null);
			return;
		}
		try {
			const { clients } = await get("/clients", { q, state: "enrolled", limit: 6 }, { signal: view.signal });
			const exact = clients.find((c) => c.id === q) ?? (clients.length === 1 ? clients[0] : null);
			if (asked !== mine)
				return;
			judge(client, null);
			fill(found, clients.map((c) => h("option", { value: c.id }, nameOf(c))));
			say(exact ? 1 : null, exact ? [icon("machines"), h("span", h("strong", nameOf(exact)), h("code", ` ${exact.id.slice(0, 12)}`))]
				: [icon("warn"), h("span", clients.length === 0 ? "No such machine." : "Several machines fit: choose one, or write more of it.")]);
			client.chosen = exact?.id ?? null;
		} catch (error) {
			if (asked === mine && error.name !== "AbortError")
				judge(client, error.message);
		}
	};
	const look = () => (whom === "one" ? findThem() : countThem());
	const show = (next) => {
		whom = next;
		selector.hidden = whom !== "labels";
		client.hidden = whom !== "one";
		selector.problem(null);
		client.problem(null);
		toldWrong = false;
		selector.input.required = whom === "labels";
		client.input.required = whom === "one";
		say(null, null);
		look();
	};
	const soon = () => {
		toldWrong = false; // who writes has taken it back
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
		isAll: () => whom === "all",
		value: () => ({ selector: whom === "one" ? undefined : whom === "all" ? "*" : selector.input.value.trim(),
			client: whom === "one" ? client.chosen ?? client.input.value.trim() : undefined }),
	};
}
