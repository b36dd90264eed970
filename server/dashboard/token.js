// SPDX-License-Identifier: MIT
// How a token is told of, on all pages that do.

import { h } from "./dom.js";
import { badge, number } from "./ui.js";
import { when } from "./time.js";

const STATES = {
	live: ["good", "live"],
	"used-up": ["idle", "used up"],
	expired: ["idle", "expired"],
	revoked: ["bad", "revoked"],
};

export function stateBadge(token) {
	return badge(...STATES[token.state] ?? ["idle", token.state]);
}

export function usesText(token) {
	return token.uses === null ? `${number(token.used)}, no limit` : `${number(token.used)} of ${number(token.uses)}`;
}

export function expiry(token) {
	return token.expires ? when(token.expires) : h("span", { class: "muted" }, "never");
}

// What goes into a command must need no quoting beyond its own; the server's name and pins do not.
const NAME = /^[A-Za-z0-9.:[\]-]+$/, PINS = /^[A-Za-z0-9+/=;]+$/;

// By curl and by wget: they trust the pinned key only, follow no redirect and read no one's settings.
export function oneLiners({ name, pin }) {
	if (!NAME.test(name) || !PINS.test(pin))
		return null;
	const from = `'https:/` + `/${name}/clients/linux'`;

	return {
		curl: `curl -q -g -fsS -k --proto =https --pinnedpubkey '${pin}' ${from} | sudo sh`,
		wget: `wget --no-config -q --max-redirect=0 --no-check-certificate --pinnedpubkey='${pin}' -O- ${from} | sudo sh`,
	};
}
