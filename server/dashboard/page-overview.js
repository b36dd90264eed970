// SPDX-License-Identifier: MIT
// How it stands: who is here, who came, what needs somebody.

import { get, path } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { card, count, header, labels, linkButton, number, switcher } from "./ui.js";
import { bars } from "./chart.js";
import { can } from "./session.js";
import { when } from "./time.js";

const SPANS = [["day", "Day"], ["week", "Week"], ["month", "Month"]];
const SHOWN = 3;
const POINT = {
	day: { label: { hour: "2-digit", minute: "2-digit" }, name: { weekday: "short", hour: "2-digit", minute: "2-digit" } },
	week: { label: { weekday: "short" }, name: { weekday: "long", hour: "2-digit", minute: "2-digit" } },
	month: { label: { day: "numeric", month: "short" }, name: { weekday: "long", day: "numeric", month: "long" } },
};

const machine = (c) => ({ href: path`/machines/${c.id}`, text: c.hostname ?? c.id.slice(0, 8) });

// What somebody should look at, the most urgent first; of each the first few by name.
const ATTENTION = [
	{ key: "clones", kind: "bad", href: "/machines?clones=true", one: machine,
		text: (n) => `${count(n, "machine")} with a copied identity`, why: "Two machines use the same keys. One of them is a clone, or an intruder." },
	{ key: "refused", kind: "bad", href: "/configurations",
		one: (r) => ({ href: path`/configurations/${r.name}`, text: `${r.name} on ${r.hostname ?? r.id.slice(0, 8)}` }),
		text: (n) => `${count(n, "refused configuration")}`, why: "A machine could not take what it should have; it keeps what it had." },
	{ key: "rollouts", kind: "bad", href: "/releases", one: (r) => ({ href: path`/releases/${r.id}`, text: `release ${r.version}` }),
		text: (n) => `${count(n, "halted roll-out")}`, why: "No other machine is asked to take the release until somebody resumes it." },
	{ key: "pending", kind: "warn", href: "/machines?state=pending", one: machine,
		text: (n) => `${count(n, "machine waits", "machines wait")} for approval`, why: "They get nothing until somebody has looked at them." },
	{ key: "offline", kind: "warn", href: "/machines?connected=no", one: machine,
		text: (n) => `${count(n, "machine is", "machines are")} away`, why: "Enrolled, and not heard of for more than a day." },
	{ key: "tokens_ending", kind: "info", href: "/tokens", one: (t) => ({ href: path`/tokens/${t.id}`, text: t.note ?? t.id }),
		text: (n) => `${count(n, "token ends", "tokens end")} soon`, why: "Within a day nothing can enrol by them any more." },
];

function figure(name, value, more, href) {
	return h(href ? "a" : "div", { class: "figure", href },
		h("span", { class: "figure-name" }, name),
		h("span", { class: "figure-value" }, number(value)),
		h("span", { class: "figure-more" }, more));
}

function sum(o) {
	const { clients, connected } = o, enrolled = clients.enrolled ?? 0;
	const share = enrolled > 0 ? `${Math.floor(connected * 100 / enrolled)} % of those enrolled` : "none enrolled yet";

	return h("div", { class: "grid" },
		figure("Connected now", connected, share, "/machines?connected=yes"),
		figure("Enrolled", enrolled, "machines in all", "/machines"),
		figure("Waiting for approval", clients.pending ?? 0, clients.pending ? "look at them" : "nobody waits", "/machines?state=pending"),
		figure("Live tokens", o.tokens.live, "can still be used", "/tokens"));
}

function attentionRow({ kind, href, text, why, one }, { count: n, list }) {
	return h("li", { class: `attention attention-${kind}` }, icon(kind),
		h("div", h("a", { href }, text(n)), h("p", { class: "muted" }, why),
			list.length > 0 && h("ul", { class: "named" }, list.slice(0, SHOWN).map(one).map((o) =>
				h("li", h("a", { href: o.href }, o.text))), n > SHOWN && h("li", { class: "muted" }, `and ${number(n - SHOWN)} more`))));
}

function attention(o) {
	const rows = ATTENTION.filter(({ key }) => o.attention[key]?.count > 0);

	if (rows.length === 0)
		return h("div", { class: "calm" }, icon("good"), h("p", h("strong", "Nothing needs you. "), "All is as it should be."));
	return h("ul", rows.map((a) => attentionRow(a, o.attention[a.key])));
}

function chart(o, span) {
	const format = (time, options) => new Intl.DateTimeFormat(undefined, options).format(new Date(time));

	return bars("Enrolments", o.enrolments.map((e) => ({
		label: format(e.time, POINT[span].label), name: format(e.time, POINT[span].name), value: e.count,
	})), { unit: ["machine", "machines"] });
}

function newest(clients) {
	return h("ul", { class: "newest" }, clients.map((c) => h("li",
		h("a", { href: path`/machines/${c.id}` }, c.hostname ?? c.id.slice(0, 8)), when(c.enrolled),
		c.labels.length > 0 && labels(c.labels))));
}

function firstSteps() {
	return card("The first machine", h("div", { class: "stack" },
		h("p", "No machine has enrolled yet. Make a token, run its script on the machine, and watch it appear here."),
		can("operator") && h("div", { class: "actions" }, linkButton("Make a token", "/tokens/new", { kind: "primary", icon: "plus", "data-key": "n" }))));
}

export async function page(view) {
	let span = SPANS.some(([key]) => key === view.query.get("span")) ? view.query.get("span") : "week";
	const load = () => Promise.all([
		get("/overview", { span }, { signal: view.signal }),
		get("/clients", { sort: "-enrolled", limit: 5 }, { signal: view.signal }),
	]);
	const figures = h("div"), needs = h("div"), enrolments = h("div"), start = h("div"), last = h("div");
	const newestCard = card("Newest machines", last);
	const show = ([o, { clients }]) => {
		fill(figures, sum(o));
		fill(needs, attention(o));
		fill(enrolments, chart(o, span));
		fill(last, newest(clients));
		newestCard.hidden = clients.length === 0;
		fill(start, clients.length === 0 && firstSteps());
	};
	const look = async () => {
		try {
			show(await load());
		} catch (error) {
			if (error.name !== "AbortError" && error.status === undefined)
				console.error(error);
		}
	};

	show(await load());
	view.watch(["status", "clients", "tokens", "receipts", "configs", "rollouts"], look);
	view.every(60000, look);
	return [
		header("Overview"),
		start, figures,
		h("div", { class: "columns" },
			h("div", card({ title: "Enrolments", actions: [switcher("Span", SPANS, span, (value) => {
				span = value;
				view.setQuery({ span: value === "week" ? null : value });
				look();
			})] }, enrolments), newestCard),
			card("Needs attention", needs)),
	];
}
