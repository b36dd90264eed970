// SPDX-License-Identifier: MIT
// A release is rolled out in the browser: the form tells how many machines it means and asks before; what is wrong with
// it is told at its field; another ends the one before.

import { api, assert, assertEqual, Visit } from "./harness.mjs";

async function fill(page, selector, fields = {}) {
	await page.getByLabel("Machines with").fill(selector);
	for (const [label, value] of Object.entries(fields))
		await page.getByLabel(label).fill(value);
}

const submit = (page) => page.locator("form").getByRole("button", { name: "Roll out …" }).click();

async function isRefused(page) {
	for (const [label, wrong, right] of [["At once", "0", "10"], ["At once", "10001", "10"], ["At once", "", "10"], ["Failures allowed", "-1", "0"], ["Failures allowed", "1.5", "0"]]) {
		await fill(page, "role=nobody", { [label]: wrong });
		await submit(page);
		await page.locator(".field", { hasText: label }).locator(".field-error:visible").waitFor();
		await fill(page, "role=nobody", { [label]: right });
	}
	await fill(page, "");
	await submit(page);
	await page.locator(".field", { hasText: "Machines with" }).locator(".field-error:visible").waitFor();
	await fill(page, "role==");
	await page.getByText("That is not a selector").waitFor();
	assertEqual(await page.getByRole("alertdialog").count(), 0, "questions about what is wrong");
}

async function isStarted(page, release) {
	await fill(page, "role=nobody", { "At once": "3" });
	await page.getByText("0 machines have these now").waitFor();
	await submit(page);
	const sure = page.getByRole("alertdialog", { name: `Roll out ${release.version} to 0 machines with role=nobody?` });
	await sure.getByText("3 machines at a time, and no other after the first failure.").waitFor();
	await page.keyboard.press("Escape");
	await sure.waitFor({ state: "detached" });
	assertEqual((await api("GET", "/rollouts?limit=1")).rollouts, [], "roll-outs that nobody has confirmed");
	await submit(page);
	await sure.getByRole("button", { name: `Roll out ${release.version}` }).click();
	await page.getByRole("heading", { name: `Roll-out of ${release.version}`, level: 1 }).waitFor();
	await page.getByText("It has asked no machine").waitFor();
	const { rollouts: [made] } = await api("GET", "/rollouts?limit=1");
	assertEqual([made.selector, made.at_once, made.failures, made.release, made.actor], ["role=nobody", 3, 0, release.digest, "admin:otto"], "the roll-out");
	return made;
}

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;
	const release = await api("GET", "/release");

	visit.allow(400);
	await visit.login("otto", "/releases");
	await visit.markLoaded();
	await page.getByText("Nothing has been rolled out yet").waitFor();
	await page.getByText(`serial ${release.serial}, issued`).waitFor();
	await page.getByRole("button", { name: "Copy digest" }).click();
	await page.getByRole("button", { name: "Copied" }).waitFor();
	assertEqual(await page.evaluate(() => navigator.clipboard.readText()), release.digest, "what was copied");
	await page.getByRole("heading", { level: 1 }).click();
	await page.keyboard.press("n");
	await page.getByRole("heading", { name: `Roll out ${release.version}`, level: 1 }).waitFor();
	await isRefused(page);
	const first = await isStarted(page, release);

	// Another one, from here, ends it; both are seen where they are.
	const { id } = await api("POST", "/rollouts", { selector: "role=nobody,site=none" });
	await page.locator(".page-title .badge").getByText("ended").waitFor();
	await page.getByText(`It has ended: replaced by roll-out ${id}`).waitFor();
	await page.getByRole("link", { name: "Releases", exact: true }).first().click();
	await page.getByRole("row", { name: /ended/ }).waitFor();
	await page.getByText("10 at a time, no failure allowed.").waitFor();
	await page.getByRole("link", { name: "Roll out", exact: true }).click();
	await page.getByText(`The roll-out of ${release.version} for the machines of role=nobody,site=none ends when this one starts.`).waitFor();
	await api("POST", `/rollouts/${id}/end`, { reason: "a test" });
	await page.getByRole("link", { name: "Releases", exact: true }).first().click();
	await page.getByText("No roll-out is under way").waitFor();
	assert(id > first.id, "the second is not the newer one");
	await visit.assertNotReloaded();
	await visit.end();
}
