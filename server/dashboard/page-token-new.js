// SPDX-License-Identifier: MIT
// Makes a token; then shows it, with what to run on the machine, this one time, and who comes in by it.

import { get, path, post } from "./api.js";
import { fill, h } from "./dom.js";
import { badge, button, card, empty, failure, header, labels, linkButton, switcher } from "./ui.js";
import { area, check, choice, form, tags, text } from "./form.js";
import { copyButton, download, snippet } from "./copy.js";
import { countdown, when } from "./time.js";
import { oneLiners, usesText } from "./token.js";

const LIVES = [["1h", "in 1 hour"], ["24h", "in 24 hours"], ["7d", "in 7 days"], ["30d", "in 30 days"],
	["at", "at a time …"], ["never", "never"]];

const AWAY = [["0", "are kept"], ["3600", "for 1 hour are removed"], ["86400", "for 1 day are removed"],
	["604800", "for 7 days are removed"], ["2592000", "for 30 days are removed"]];

// What the browser takes for its own time becomes the API's.
function expiresOf(values) {
	if (values.expires !== "at")
		return values.expires;
	return values.time ? new Date(values.time).toISOString() : "";
}

function usesField() {
	const number = text("uses", "Machines that may use it", {
		type: "number", min: "1", max: "4294967294", step: "1", value: "1", inputmode: "numeric", required: true,
	});
	const unlimited = check("unlimited", "Any number", { hint: "Until it expires or is revoked." });

	unlimited.input.addEventListener("change", () => {
		number.input.disabled = unlimited.input.checked;
		number.problem(null);
	});
	return [number, unlimited];
}

function expiryFields() {
	const time = text("time", "Time", { type: "datetime-local" });

	time.hidden = true;
	return [choice("expires", "Expires", LIVES, {
		value: "24h",
		onchange: (value) => {
			time.hidden = value !== "at";
			time.input.required = value === "at";
		},
	}), time];
}

function orderForm(made) {
	const [uses, unlimited] = usesField();

	return form({
		fields: [
			tags("labels", "Labels", {
				optional: true, placeholder: "role=web site=bonn",
				hint: "Each machine gets these, and can't change them. Configurations are chosen by them.",
			}),
			h("div", { class: "fields" }, h("div", { class: "form" }, uses, unlimited), h("div", { class: "form" }, expiryFields())),
			check("approve", "I approve each machine", { hint: "Machines that enrol wait, and get nothing, until an administrator has looked at them." }),
			choice("ephemeral", "Machines that stay away", AWAY, { hint: "For machines that come and go, as in an autoscaling group." }),
			area("note", "Note", { optional: true, rows: 2, maxlength: "200", hint: "For you and other administrators: what it is for, who has it." }),
		],
		submit: "Make token",
		names: { time: "expires" },
		send: async (v) => made(await post("/tokens", {
			labels: v.labels, uses: v.unlimited ? null : Number(v.uses), expires: expiresOf(v), approve: v.approve,
			ephemeral: Number(v.ephemeral) || null, note: v.note.trim().replaceAll(/\s+/g, " ") || null,
		})),
	});
}

// ---- what to run on the machine

function scriptCard(token) {
	const place = h("div", { class: "stack" });
	let embed = false, script = null;
	const load = () => (script ??= post("/installer", { token: token.token, embed }, { as: "text" }));
	const size = h("span", { class: "muted" }), wrong = h("div");
	const renew = async () => {
		script = null;
		size.textContent = "";
		fill(wrong);
		try {
			const length = (await load()).length;
			size.textContent = length > 1e6 ? `${(length / 1e6).toFixed(1)} MB` : `${Math.ceil(length / 1000)} kB`;
		} catch (error) {
			fill(wrong, failure(error, renew));
		}
	};

	renew();
	return card("With a script", fill(place,
		h("p", "It carries the token, the server's keys and the checks. Anybody who has it can use the token, so give it away as you would a password."),
		h("div", { class: "actions" },
			copyButton(load, { label: "Copy script", kind: "primary" }),
			button("Download", async () => download("install-muster.sh", await load(), "text/x-shellscript"), { icon: "download" }),
			size),
		h("p", { class: "muted" }, "Then on the machine: ", h("code", "sudo sh install-muster.sh")),
		h("label", { class: "field field-check" },
			h("input", { type: "checkbox", onchange: (event) => {
				embed = event.target.checked;
				renew();
			} }),
			h("span", "Carry the program inside, for machines with neither curl nor wget")), wrong));
}

function lineCard(token, status) {
	const lines = oneLiners(status), place = h("div");
	const show = (which) => fill(place, snippet(lines[which], { name: `Command with ${which}` }));

	if (!lines)
		return null;
	show("curl");
	return card({ title: "With one line", actions: [switcher("Program on the machine", [["curl", "curl"], ["wget", "wget"]], "curl", show)] },
		h("div", { class: "stack" },
			h("p", "It fetches the script from the server, whose key it pins, and asks for the token: so that it is in nobody's history."),
			place,
			h("div", { class: "token-shown" }, h("p", h("span", { class: "muted" }, "Token "), h("code", { class: "secret" }, token.token)),
				copyButton(token.token, { label: "Copy token" }))));
}

function arrivals(view, token) {
	const used = h("span", usesText(token));
	const place = h("div", { role: "log", "aria-label": "Machines that came in by it" });
	const look = async () => {
		const now = await get(path`/tokens/${token.id}`, { limit: 50 }, { signal: view.signal });

		used.textContent = usesText(now);
		fill(place, now.clients.length === 0
			? empty("Waiting for the first machine", "It appears here as soon as it has enrolled.")
			: h("ul", { class: "arrivals" }, now.clients.map((c) => h("li",
				h("a", { href: path`/machines/${c.id}` }, c.hostname ?? c.id.slice(0, 8)),
				c.state === "pending" ? badge("warn", "waits for approval") : badge("good", c.state), when(c.enrolled)))));
	};

	view.watch(["tokens", "clients"], look);
	look();
	return card({ title: "Machines", actions: [h("span", { class: "muted" }, used)] }, place);
}

function summary(token) {
	return h("div", { class: "notice notice-good", role: "status" }, h("div",
		h("p", h("strong", "The token is made. "), "It is shown this one time: the server keeps only a hash of it."),
		h("p", { class: "muted" }, token.expires ? ["Expires in ", countdown(token.expires)] : "Never expires",
			", for ", token.uses === null ? "any number of machines" : token.uses === 1 ? "one machine" : `${token.uses} machines`,
			token.approve && ", each to be approved")));
}

export async function page(view) {
	const root = h("div");
	const status = await get("/status", null, { signal: view.signal });
	const made = (token) => {
		view.title("A new token");
		view.unsaved(() => token.state === "live" && !seen);
		let seen = false;
		root.addEventListener("click", (event) => (seen ||= Boolean(event.target.closest(".card .button"))));
		fill(root,
			header("A new token", { back: ["/tokens", "Tokens"], actions: [
				linkButton("To its page", path`/tokens/${token.id}`), linkButton("Done", "/tokens", { kind: "primary" })] }),
			h("div", { class: "stack-large" }, summary(token)),
			token.labels.length > 0 && h("div", { class: "toolbar" }, h("span", { class: "muted" }, "Labels"), labels(token.labels)),
			h("div", { class: "columns" },
				h("div", scriptCard(token), lineCard(token, status)),
				arrivals(view, token)));
		window.scrollTo(0, 0);
		root.querySelector("h1").tabIndex = -1;
		root.querySelector("h1").focus();
	};

	return fill(root,
		header("Make a token", { back: ["/tokens", "Tokens"], lead: "Afterwards you get a script or a command to run on the machine." }),
		card({ class: "narrow" }, orderForm(made)));
}
