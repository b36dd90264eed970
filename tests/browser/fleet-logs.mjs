// SPDX-License-Identifier: MIT
// Messages and the audit log: from the newest on, searched, live; and the chain's verification.

import { api, assert, assertEqual, Visit } from "./harness.mjs";

/* global document, window */

const rows = (page) => page.locator("tbody tr[data-key]");

async function scrolls(page, least) {
	await page.waitForFunction((n) => {
		window.scrollTo(0, document.documentElement.scrollHeight);
		return [...document.querySelectorAll("tbody")].reduce((all, b) => all + (b.group?.rows.length ?? 0), 0) >= n;
	}, least, { polling: 50 });
}

async function messages(visit) {
	const { page } = visit;

	await visit.open("/messages");
	await scrolls(page, 500);
	await visit.open("/messages");
	await page.getByLabel("Type").fill("login");
	await page.waitForURL(/type=login/);
	await page.waitForFunction(() => [...document.querySelectorAll("tbody tr td:nth-child(3)")].every((c) => c.textContent === "login"));
	const { messages: [one] } = await api("GET", "/messages?order=newest&type=login&limit=1");
	await visit.open(`/messages?client=${one.client}`);
	await page.waitForFunction(() => document.querySelectorAll("tbody tr[data-key]").length === 1);
	assertEqual(await rows(page).first().getAttribute("data-key"), String(one.seq), "the message");
	await visit.open("/messages");
	await page.getByLabel("Search messages").fill("words that nobody has sent");
	await page.getByText("No message fits").waitFor();
}

async function audit(visit) {
	const { page } = visit;

	await visit.open("/audit");
	await visit.markLoaded();
	const { id } = await api("POST", "/tokens", { note: "for the log" });
	await page.getByRole("link", { name: id }).first().waitFor();
	await visit.assertNotReloaded();
	await page.getByLabel("Kind").selectOption("token.");
	await page.waitForURL(/act=token/);
	await page.waitForFunction(() => [...document.querySelectorAll("tbody tr td:nth-child(4)")].every((c) => c.textContent.startsWith("token.")));
	await page.getByLabel("Search the audit log").fill(id);
	await page.waitForFunction(() => document.querySelectorAll("tbody tr[data-key]").length === 1);
	await page.getByRole("button", { name: "Verify the chain" }).click();
	await page.getByText("The chain holds.").waitFor();
	const { head } = await api("GET", "/audit/verify");
	assert((await page.locator(".notice").innerText()).includes(head), "another head than the server's");
	await visit.open("/audit");
	await scrolls(page, 500);
}

export default async function test(browser) {
	const visit = await Visit.start(browser);

	await visit.login("dorothea", "/messages");
	await messages(visit);
	await audit(visit);
	await visit.end();
}
