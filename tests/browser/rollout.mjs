// SPDX-License-Identifier: MIT
// A configuration pushed in the browser to a real machine: the roll-out fills, a refusal is told with the machine's own
// words, without the page being loaded again. Then the machine is revoked, and goes.

import { act, api, assertEqual, Visit } from "./harness.mjs";

const CHECK = '#!/bin/sh\n! grep -q bad "$1" || { echo "line 1: bad is no word"; exit 7; }\n';

async function push(page, content) {
	await page.getByLabel("Content").fill(content);
	await page.getByRole("button", { name: "Push", exact: true }).click();
	await page.getByRole("heading", { name: "greeting", level: 1 }).waitFor();
	await page.getByRole("link", { name: "Roll-out" }).waitFor();
}

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;
	const row = page.getByRole("row", { name: /^web/ });
	const { clients: [machine] } = await api("GET", "/clients?state=enrolled&connected=yes&limit=1");

	await act("on", "web", "sh", "-c", `mkdir -p /etc/muster/apply.d && printf '%s' '${CHECK.replaceAll("'", "'\\''")}' >/etc/muster/apply.d/greeting.check && chmod 755 /etc/muster/apply.d/greeting.check`);

	// To whom it goes is counted before.
	await visit.login("dorothea", "/configurations/-/new");
	await visit.markLoaded();
	await page.getByLabel("Name", { exact: true }).fill("greeting");
	await page.getByRole("radio", { name: "By labels" }).check();
	await page.getByLabel("Machines with").fill("role=web");
	await page.getByText("1 machine has these now").waitFor();
	await push(page, "hello\n");
	await row.locator(".badge").getByText("has it").waitFor();

	// The next is refused by the machine's own check; it keeps what it had.
	await page.getByRole("link", { name: "Edit" }).click();
	await page.getByRole("heading", { name: "Edit greeting", level: 1 }).waitFor();
	await push(page, "bad\n");
	await row.locator(".badge").getByText("refused").waitFor();
	await row.getByText("bad is no word").waitFor();
	await page.getByRole("link", { name: "Overview", exact: true }).click();
	await page.getByRole("link", { name: "1 refused configuration" }).waitFor();
	await visit.assertNotReloaded();

	// Revoked, after its name was typed: it's away, and so it is told everywhere.
	await page.locator(".nav-link", { hasText: "Machines" }).click();
	await row.locator(".badge").getByText("connected").waitFor();
	await page.getByRole("link", { name: /^web/ }).click();
	await page.getByRole("heading", { name: "web", level: 1 }).waitFor();
	await page.getByRole("button", { name: /^(Acts|More for web)/ }).click();
	await page.getByRole("menuitem", { name: "Revoke …" }).click();
	const sure = page.getByRole("alertdialog", { name: "Revoke web?" });
	assertEqual(await sure.getByRole("button", { name: "Revoke machine" }).isDisabled(), true, "without the name, the button's being off");
	await sure.getByLabel(/Type web/).fill("web");
	await sure.getByRole("button", { name: "Revoke machine" }).click();
	await page.locator(".badge").getByText("revoked").first().waitFor();
	await page.locator(".nav-link", { hasText: "Machines" }).click();
	await row.locator(".badge").getByText("revoked").waitFor();
	assertEqual((await api("GET", `/clients/${machine.id}`)).state, "revoked", "the machine");
	await visit.assertNotReloaded();
	await visit.end();
}
