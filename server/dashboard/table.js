// SPDX-License-Identifier: MIT
//
// Long listings, page by page from the server, as a table that scrolls without an end.
//
//   const list = table({
//       label: "Tokens",                              what the table is called for a reader of the screen
//       columns: [{ title: "Label", cell: (row) => node or text, class: "wide num mono hide-narrow" }, …],
//       fetch: ({ after, limit, signal }) => ({ rows, next }),
//       key: (row) => row.id,
//       href: (row) => "/tokens/…",                   the row leads there; its first cell becomes the link
//       empty: () => node,                            instead of a table without rows
//       signal: view.signal,
//   });
//   list.root                     the node
//   await list.reload()           from the start: another search
//   list.refresh()                what is shown is asked for again, in place; focus and scroll stay
//   list.refresh(new Set(keys))   only if one of them is shown (a row that isn't there yet can't be)
//
// On a narrow screen each row becomes a card, its cells told by their columns' titles. Rows are kept in the document
// in groups, one for each of the server's pages; a group far from what is seen is taken out and leaves its height.

import { fill, h } from "./dom.js";
import { failure } from "./ui.js";

const LIMIT = 100;
const NEAR = "1200px";

function cells(columns, row, href) {
	return columns.map((column, i) => {
		const content = column.cell(row);
		const linked = i === 0 && href ? h("a", { class: "row-link", href: href(row) }, content) : content;

		return h(i === 0 ? "th" : "td", {
			class: column.class ?? "", scope: i === 0 ? "row" : null, "data-title": column.title,
		}, linked);
	});
}

class Group {
	constructor(table, after) {
		this.table = table;
		this.after = after;
		this.rows = [];
		this.next = null;
		this.height = 0;
		this.shown = false;
		this.stale = false;
		this.nodes = new Map(); // by key: { text, node }
		this.body = h("tbody");
		this.body.group = this;
	}

	async load() {
		const answer = await this.table.spec.fetch({ after: this.after, limit: LIMIT, signal: this.table.signal });

		this.rows = answer.rows;
		this.next = answer.next;
		this.stale = false;
		this.texts = this.rows.map((row) => JSON.stringify(row));
	}

	// Rows that are as they were stay the nodes they are: focus and selection live in them.
	show() {
		const { columns, key, href } = this.table.spec, before = this.nodes;
		const focused = document.activeElement?.closest?.("tr")?.dataset.key;

		this.nodes = new Map();
		this.rows.forEach((row, i) => {
			const k = key(row), old = before.get(k), text = this.texts[i];
			this.nodes.set(k, old?.text === text ? old : {
				text, node: h("tr", { "data-key": k, class: href ? "linked" : "" }, cells(columns, row, href)),
			});
		});
		const nodes = [...this.nodes.values()].map((n) => n.node);
		const same = nodes.length === this.body.children.length && nodes.every((n, i) => n === this.body.children[i]);
		if (!same)
			this.body.replaceChildren(...nodes);
		this.shown = true;
		if (focused && document.activeElement === document.body)
			this.nodes.get(focused)?.node.querySelector("a, button")?.focus({ preventScroll: true });
	}

	hide() {
		if (!this.shown || this.rows.length === 0 || this.body.contains(document.activeElement))
			return;
		this.height = this.body.getBoundingClientRect().height;
		const space = h("td", { colspan: this.table.spec.columns.length });
		space.style.height = `${this.height}px`;
		this.body.replaceChildren(h("tr", { class: "space", "aria-hidden": "true" }, space));
		this.nodes = new Map();
		this.shown = false;
	}
}

class Table {
	groups = [];
	#round = 0;
	#loading = false;
	#again = null;

	constructor(spec) {
		this.spec = spec;
		this.signal = spec.signal;
		this.body = h("table", { class: "table", "aria-label": spec.label },
			h("thead", h("tr", spec.columns.map((c) => h("th", { scope: "col", class: c.class ?? "" },
				c.hidden ? h("span", { class: "visually-hidden" }, c.title) : c.title)))));
		this.end = h("div", { class: "table-end", role: "status" });
		this.root = h("div", { class: "table-place" }, this.body, this.end);
		this.root.addEventListener("click", (event) => this.#onClick(event));
		this.near = new IntersectionObserver((entries) => this.#onNear(entries), { rootMargin: NEAR });
		this.near.observe(this.end);
		spec.signal?.addEventListener("abort", () => this.near.disconnect(), { once: true });
	}

	// All of a row leads where its link does, but not what can itself be pressed, nor text being selected.
	#onClick(event) {
		const row = event.target.closest("tr.linked");

		if (!row || event.target.closest("a, button, input, label") || getSelection().toString())
			return;
		row.querySelector("a.row-link").click();
	}

	#onNear(entries) {
		for (const { target, isIntersecting } of entries) {
			if (target === this.end) {
				this.endNear = isIntersecting;
				if (isIntersecting)
					this.#more();
			} else if (!isIntersecting) {
				target.group.hide();
			} else if (!target.group.shown) {
				target.group.show();
				if (target.group.stale)
					this.refresh();
			}
		}
	}

	// The groups' own failures are told at the end of the table, with a way to try again.
	async #load(group, round, again = () => this.reload()) {
		try {
			await group.load();
			return round === this.#round;
		} catch (error) {
			if (error.name !== "AbortError" && round === this.#round && !this.signal?.aborted) {
				if (error.status === undefined)
					console.error(error);
				fill(this.end, failure(error, again));
			}
			return false;
		}
	}

	#told() {
		const rows = this.groups.reduce((all, g) => all + g.rows.length, 0);
		const last = this.groups.at(-1);

		this.root.classList.toggle("is-empty", rows === 0);
		if (rows === 0)
			fill(this.end, this.spec.empty());
		else
			fill(this.end, last.next ? h("p", { class: "muted" }, "Loading more …") : null);
		this.spec.onRows?.(rows, !last.next);
	}

	async #more() {
		const last = this.groups.at(-1), round = this.#round;

		if (this.#loading || !last?.next)
			return;
		this.#loading = true;
		const group = new Group(this, last.next);
		const loaded = await this.#load(group, round, () => this.#more());
		this.#loading = false;
		if (!loaded)
			return;
		this.#add(group);
		// Still near the end: the observer tells only of changes.
		if (this.endNear && group.next)
			requestAnimationFrame(() => this.endNear && this.#more());
	}

	#add(group) {
		this.groups.push(group);
		group.show();
		this.body.append(group.body);
		this.near.observe(group.body);
		this.#told();
	}

	async reload() {
		const round = ++this.#round, first = new Group(this, null);

		this.root.setAttribute("aria-busy", "true");
		const loaded = await this.#load(first, round);
		if (round !== this.#round)
			return;
		this.root.removeAttribute("aria-busy");
		if (!loaded)
			return;
		this.groups.forEach((g) => {
			this.near.unobserve(g.body);
			g.body.remove();
		});
		this.groups = [];
		this.#loading = false;
		this.#add(first);
		this.near.unobserve(this.end);
		this.near.observe(this.end);
	}

	// One refresh at a time, and one more if it was asked for meanwhile. What has never come can't be refreshed.
	refresh(keys = null) {
		if (this.groups.length === 0)
			return this.reload();
		if (keys && keys.size > 0 && !this.groups.some((g) => g.rows.some((row) => keys.has(this.spec.key(row)))))
			return null;
		this.#again = this.#again ? (this.#again.more = true, this.#again) : { more: false, done: this.#refreshAll() };
		return this.#again.done;
	}

	async #refreshAll() {
		const round = this.#round;

		await null;
		do {
			this.#again.more = false;
			await this.#refreshOnce(round);
		} while (this.#again.more && round === this.#round);
		this.#again = null;
	}

	// Those out of sight are asked for when they come into it. Where a group's end has moved, the next begins there.
	async #refreshOnce(round) {
		for (let i = 0; i < this.groups.length; i++) {
			const group = this.groups[i];

			if (i > 0 && group.after !== this.groups[i - 1].next) {
				group.after = this.groups[i - 1].next;
				group.stale = true;
			}
			if (group.after === null && i > 0)
				return this.#cut(i);
			if (!group.shown) {
				group.stale = true;
				continue;
			}
			if (!await this.#load(group, round, () => this.refresh()))
				return null;
			await this.#menusClosed();
			if (round !== this.#round)
				return null;
			group.show();
		}
		return this.#told();
	}

	// An open menu would go with its row, from under the pointer. One that goes in another way tells nobody, so that
	// it is also looked at every second.
	async #menusClosed() {
		for (const { body } of this.groups)
			for (let open; (open = body.querySelector(".menu:popover-open"));)
				await new Promise((closed) => {
					open.addEventListener("toggle", closed, { once: true });
					setTimeout(closed, 1000);
				});
	}

	// There are fewer than there were.
	#cut(from) {
		this.groups.splice(from).forEach((g) => {
			this.near.unobserve(g.body);
			g.body.remove();
		});
		this.#told();
	}
}

export function table(spec) {
	const t = new Table(spec);

	t.reload();
	return t;
}
