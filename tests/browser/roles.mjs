// SPDX-License-Identifier: MIT
// Who may less is shown less; and what is typed into the address bar is answered by a page that says so.

import { assertEqual, Visit } from "./harness.mjs";

export default async function test(browser) {
	const viewer = await Visit.start(browser);

	await viewer.login("vera", "/tokens");
	assertEqual(await viewer.page.getByRole("link", { name: "Make a token" }).count(), 0, "links to make a token");
	for (const path of ["/tokens/new", "/releases/new", "/settings/administrators", "/settings/api-tokens", "/settings/webhooks"]) {
		await viewer.open(path);
		await viewer.page.getByRole("heading", { name: "No permission", level: 1 }).waitFor();
	}
	await viewer.open("/settings");
	assertEqual(await viewer.page.getByRole("navigation", { name: "Settings" }).count(), 0, "parts of the settings to choose from");
	await viewer.end();

	const operator = await Visit.start(browser);
	await operator.login("otto", "/tokens");
	await operator.page.getByRole("link", { name: "Make a token" }).first().waitFor();
	await operator.open("/settings/administrators");
	await operator.page.getByRole("heading", { name: "No permission", level: 1 }).waitFor();
	await operator.end();
}
