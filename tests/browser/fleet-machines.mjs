// SPDX-License-Identifier: MIT
// Machines among 50,000: the list scrolls, a search answers, filters choose; and every act on one, with its question.

import { api, assert, assertEqual, Visit } from "./harness.mjs";

/* global document, window */

async function isListed(page, words) {
	await page.waitForFunction((w) => document.querySelector(".sum")?.textContent === w, words);
}

async function areRows(page, count) {
	await page.waitForFunction((n) => document.querySelectorAll("tbody tr[data-key]").length === n, count);
}

async function scrolls(visit) {
	const { page } = visit;

	await visit.open("/machines");
	await isListed(page, "50,000 machines");
	for (const reached of [300, 900, 1500])
		await page.waitForFunction((n) => {
			window.scrollTo(0, document.documentElement.scrollHeight);
			return [...document.querySelectorAll("tbody")].reduce((all, b) => all + (b.group?.rows.length ?? 0), 0) >= n;
		}, reached, { polling: 50 });
	await page.waitForFunction(() => document.querySelectorAll("tbody tr[data-key]").length < 1000);
}

async function isSearched(visit) {
	const { page } = visit;
	const one = (await api("GET", "/clients?q=db-1&limit=1")).clients[0];

	await visit.open("/machines");
	await page.getByLabel("Search machines").fill(`${one.hostname.toUpperCase()} ${one.address}`);
	await isListed(page, "1 machine");
	await areRows(page, 1);
	await page.waitForURL((now) => now.searchParams.get("q") !== null);
	await page.getByLabel("Search machines").fill(one.id.slice(4, 30));
	await isListed(page, "1 machine");
	await page.getByLabel("Search machines").fill("there is none");
	await page.getByText("No machine fits").waitFor();
	await page.getByLabel("Search machines").fill("");
	await page.getByLabel("Labels").fill("role=db,env!=prod");
	const { count } = await api("GET", "/clients/count?label=role%3Ddb,env!%3Dprod");
	await isListed(page, `${new Intl.NumberFormat("en").format(count)} machines`);
	await page.getByLabel("State").selectOption("pending");
	await page.getByText("No machine fits").waitFor();
	await visit.open("/machines?state=pending");
	await page.getByText("waits for approval").first().waitFor();
	await page.getByLabel("Order").selectOption("-enrolled");
	await page.waitForURL(/sort=-enrolled/);
	visit.allow(400);
	await visit.open("/machines?label=A");
	await page.getByText(/not a selector/).waitFor();
}

async function acts(page, name, item, { typed = null, reason = null } = {}) {
	const direct = page.getByRole("button", { name: item, exact: true });

	if (await direct.isVisible()) {
		await direct.click();
	} else {
		await page.getByRole("button", { name: /^(More|Acts)$/ }).click();
		await page.getByRole("menuitem", { name: item }).click();
	}
	const dialog = page.getByRole("alertdialog");
	await dialog.waitFor();
	assert((await dialog.getByRole("heading").innerText()).includes(name), "the question doesn't name the machine");
	if (reason)
		await dialog.getByLabel("Reason").fill(reason);
	const go = dialog.locator("button[type=submit]");
	if (typed !== null) {
		assert(await go.isDisabled(), "it can be done without typing the name");
		await dialog.getByLabel(/^Type /).fill(`${typed}x`);
		assert(await go.isDisabled(), "another name will do");
		await dialog.getByLabel(/^Type /).fill(typed);
	}
	await go.click();
	await dialog.waitFor({ state: "detached" });
}

async function isActedOn(visit) {
	const { page } = visit;
	const { clients: [one] } = await api("GET", "/clients?q=edge-&state=enrolled&limit=1");
	const state = async () => (await api("GET", `/clients/${one.id}`)).state;

	await visit.open(`/machines/${one.id}`);
	await visit.markLoaded();
	await acts(page, one.hostname, "Suspend …", { reason: "looks odd" });
	await page.getByText("It is suspended,").waitFor();
	await page.getByText("“looks odd”").first().waitFor();
	assertEqual(await state(), "suspended", "the state");
	await acts(page, one.hostname, "Resume");
	await page.getByText("It is suspended,").waitFor({ state: "detached" });
	await acts(page, one.hostname, "Restart its agent …");
	await page.getByText("Its agent is to restart").waitFor();

	await page.getByRole("button", { name: "Edit labels" }).click();
	await page.getByRole("dialog").getByLabel("Labels").fill("wanted=yes");
	await page.getByRole("button", { name: /^Take (env|site)=/ }).first().click();
	await page.getByRole("button", { name: "Save labels" }).click();
	await page.getByRole("dialog").waitFor({ state: "detached" });
	await page.locator("main").getByRole("link", { name: /^wanted=\s*yes$/ }).waitFor();
	const { labels } = await api("GET", `/clients/${one.id}`);
	assertEqual(labels.length, one.labels.length, "labels, with one more and one less");
	await page.locator("main").getByText("Other labels").waitFor();

	await acts(page, one.hostname, "Revoke …", { typed: one.hostname, reason: "stolen" });
	await page.getByText("It is revoked,").waitFor();
	await visit.assertNotReloaded();
	visit.allow(404, `/clients/${one.id}.*`); // what was changed before may be looked at when it is gone
	await acts(page, one.hostname, "Remove …", { typed: one.hostname });
	await page.waitForURL(/\/machines$/);
	visit.allow(404);
	await visit.open(`/machines/${one.id}`);
	await page.getByRole("heading", { name: "Not found" }).waitFor();
}

async function isApproved(visit) {
	const { page } = visit;
	const { clients: [first, second] } = await api("GET", "/clients?state=pending&limit=2");

	await visit.open(`/machines/${first.id}`);
	await acts(page, first.hostname ?? first.id.slice(0, 12), "Approve");
	await page.getByText("It waits for approval.").waitFor({ state: "detached" });
	await visit.open(`/machines/${second.id}`);
	await acts(page, second.hostname ?? second.id.slice(0, 12), "Refuse …");
	await page.getByText("It is revoked,").waitFor();
}

async function isLive(visit) {
	const { page } = visit;
	const { clients: [one] } = await api("GET", "/clients?q=cache-&state=enrolled&limit=1");

	await visit.open(`/machines/${one.id}`);
	await visit.markLoaded();
	await api("POST", `/clients/${one.id}/suspend`, { reason: "by somebody else" });
	await page.getByText("“by somebody else”").first().waitFor();
	await visit.assertNotReloaded();
}

async function viewersOnlySee(browser) {
	const visit = await Visit.start(browser);
	const { clients: [one] } = await api("GET", "/clients?q=build-&state=enrolled&limit=1");

	await visit.login("vera", `/machines/${one.id}`);
	assertEqual(await visit.page.getByRole("button", { name: /Acts|More|Edit labels|Approve/ }).count(), 0, "acts for a viewer");
	await visit.end();
}

export default async function test(browser) {
	const visit = await Visit.start(browser);

	await visit.login("dorothea", "/machines");
	await scrolls(visit);
	await isSearched(visit);
	await isActedOn(visit);
	await isApproved(visit);
	await isLive(visit);
	await visit.end();
	await viewersOnlySee(browser);
}
