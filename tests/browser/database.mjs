// SPDX-License-Identifier: MIT
// The database goes and comes back: every page says so at once and by itself, loses nothing that was typed, and is right
// again afterwards.

import { appendFile } from "node:fs/promises";
import { api, assert, assertEqual, password, Visit } from "./harness.mjs";
import { faults } from "./audit.mjs";

// A word for the test's own cluster.
const cluster = (word) => appendFile(process.env.MUSTER_CLUSTER, `${word}\n`);
const notice = (page) => page.getByRole("alert").filter({ hasText: "The database doesn't answer." });
const gone = (page) => notice(page).first().waitFor({ state: "detached" });

async function tab(visit, path) {
	const page = await visit.newPage();

	await page.goto(process.env.MUSTER_URL + path);
	await page.locator(".live").getByText("Live").waitFor();
	return page;
}

// One that only looks.
async function assertFromBefore(page) {
	await notice(page).waitFor();
	await page.getByText(/^What is shown here is from before \d\d:\d\d:\d\d\.$/).waitFor();
	await page.locator(".live").getByText("From before").waitFor();
	await page.getByRole("link", { name: "Made before" }).waitFor();
}

// The notice itself can be read, in both colours and narrow too.
async function assertReadable(page) {
	const found = [];

	for (const colorScheme of ["light", "dark"]) {
		await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
		for (const width of [1280, 360]) {
			await page.setViewportSize({ width, height: 844 });
			for (const fault of await faults(page))
				found.push(`${colorScheme} ${width}: ${fault}`);
		}
	}
	await page.emulateMedia({ colorScheme: null });
	assert(found.length === 0, found.join("\n"));
}

// What was typed is kept, and can be sent afterwards.
async function sends(page) {
	await page.getByRole("button", { name: "Make token" }).click();
	await page.locator("form").getByRole("alert").getByText("The database can't be reached now").waitFor();
	assertEqual(await page.getByLabel("Note").inputValue(), "Typed before", "the note");
}

async function sendsAgain(page) {
	await page.locator("form").getByRole("alert").waitFor({ state: "hidden" });
	assertEqual(await page.getByLabel("Note").inputValue(), "Typed before", "the note");
	await page.getByRole("button", { name: "Make token" }).click();
	await page.getByText("The token is made.").waitFor();
}

async function logsIn(page) {
	await page.getByLabel("Name").fill("dorothea");
	await page.getByLabel("Password").fill(password);
	await page.getByRole("button", { name: "Log in" }).click();
	await page.getByRole("heading", { name: "Overview" }).waitFor();
}

export default async function test(browser) {
	const visit = await Visit.start(browser), stranger = await Visit.start(browser), { page } = visit;
	const { id } = await api("POST", "/tokens", { note: "Made before" });

	await visit.login("dorothea", "/tokens");
	await page.locator(".live").getByText("Live").waitFor();
	await visit.markLoaded();
	const typing = await tab(visit, "/tokens/new"), asking = await tab(visit, `/tokens/${id}`);
	const going = await tab(visit, "/");
	await typing.getByLabel("Note").fill("Typed before");
	await asking.getByRole("button", { name: "Revoke …" }).click();
	visit.allow(503);
	stranger.allow(503);

	await cluster("stop");
	await assertFromBefore(page);
	await assertReadable(page);
	await notice(typing).waitFor();
	await sends(typing);
	await notice(asking.getByRole("alertdialog")).waitFor();
	await going.getByRole("link", { name: "Audit", exact: true }).click();
	await going.getByRole("heading", { name: "This can't be shown now" }).waitFor();
	const fresh = await visit.newPage();
	await fresh.goto(`${process.env.MUSTER_URL}/machines`);
	await notice(fresh).waitFor();
	await stranger.page.goto(`${process.env.MUSTER_URL}/login`);
	await notice(stranger.page).waitFor();

	const told = page.getByRole("status").filter({ hasText: "The database answers again." }).waitFor();
	await cluster("start");
	await told;
	for (const one of [page, typing, asking, going, fresh, stranger.page])
		await gone(one);
	await page.locator(".live").getByText("Live").waitFor();
	await sendsAgain(typing);
	await page.getByRole("link", { name: "Typed before" }).waitFor();
	await asking.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click();
	await going.getByRole("row", { name: /server\.database/ }).waitFor();
	await fresh.getByRole("heading", { name: "Machines" }).waitFor();
	await logsIn(stranger.page);
	await visit.assertNotReloaded();
	await visit.end();
	await stranger.end();
}
