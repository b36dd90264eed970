// SPDX-License-Identifier: MIT
// The table of pages, and the start.

import { whenLoggedOut } from "./api.js";
import { notice } from "./away-notice.js";
import { fill, h } from "./dom.js";
import { forget, load, session } from "./session.js";
import { add, start } from "./router.js";
import { place } from "./shell.js";
import { failure } from "./ui.js";

// The first that fits. What is no thing of its kind stands where no name can: no configuration's begins with "-", and
// ids of tokens and machines are t-… and hexadecimal, and roll-outs
// have numbers.
const PAGES = [
	["/", { title: "Overview", nav: "/", load: () => import("./page-overview.js") }],
	["/login", { title: "Log in", bare: true, load: () => import("./page-login.js") }],
	["/tokens", { title: "Tokens", nav: "/tokens", load: () => import("./page-tokens.js") }],
	["/tokens/new", { title: "Make a token", nav: "/tokens", role: "operator", load: () => import("./page-token-new.js") }],
	["/tokens/:id", { title: "Token", nav: "/tokens", load: () => import("./page-token.js") }],
	["/machines", { title: "Machines", nav: "/machines", load: () => import("./page-machines.js") }],
	["/machines/:id", { title: "Machine", nav: "/machines", load: () => import("./page-machine.js") }],
	["/configurations", { title: "Configurations", nav: "/configurations", load: () => import("./page-configurations.js") }],
	["/configurations/-/new", { title: "Make a configuration", nav: "/configurations", role: "operator", load: () => import("./page-configuration-edit.js") }],
	["/configurations/:name", { title: "Configuration", nav: "/configurations", load: () => import("./page-configuration.js") }],
	["/configurations/:name/edit", { title: "Edit", nav: "/configurations", role: "operator", load: () => import("./page-configuration-edit.js") }],
	["/configurations/:name/:part", { title: "Configuration", nav: "/configurations", load: () => import("./page-configuration.js") }],
	["/releases", { title: "Releases", nav: "/releases", load: () => import("./page-releases.js") }],
	["/releases/new", { title: "Roll out", nav: "/releases", role: "operator", load: () => import("./page-rollout-new.js") }],
	["/releases/:id", { title: "Roll-out", nav: "/releases", load: () => import("./page-rollout.js") }],
	["/messages", { title: "Messages", nav: "/messages", load: () => import("./page-messages.js") }],
	["/audit", { title: "Audit", nav: "/audit", load: () => import("./page-audit.js") }],
	["/settings", { title: "Settings", nav: "/settings", load: () => import("./page-settings.js") }],
	["/settings/:part", { title: "Settings", nav: "/settings", load: () => import("./page-settings.js") }],
];

const LEAVING = 2000; // milliseconds; whoever is here then has stayed
let leaving = false;

// Several requests may learn of it at once. A page can be kept in spite of it (unsaved text), or come back by the
// browser's history as it was.
function toLogin() {
	const here = location.pathname + location.search;

	forget();
	if (leaving)
		return;
	leaving = location.pathname !== "/login";
	if (!leaving)
		return;
	setTimeout(() => (leaving = false), LEAVING);
	location.assign(here === "/" ? "/login" : `/login?to=${encodeURIComponent(here)}`);
}

// At the login nobody is asked who they are: the answer would be an error in the browser's console.
async function begin() {
	if (location.pathname !== "/login") {
		try {
			await load();
		} catch (error) {
			fill(document.body, notice, h("main", { class: "bare" }, failure(error, () => location.reload())));
			return;
		}
		if (!session()) {
			toLogin();
			return;
		}
	}
	for (const [pattern, route] of PAGES)
		add(pattern, route);
	whenLoggedOut(toLogin);
	await start({ place, shown: () => {} });
}

begin();
