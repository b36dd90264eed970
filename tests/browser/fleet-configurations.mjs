// SPDX-License-Identifier: MIT
// Configurations for 50,000: for whom, with a count as it is typed; the roll-out and its refusals; differences, the
// way back, the end.

import { api, assert, assertEqual, Visit } from "./harness.mjs";

const words = (n) => new Intl.NumberFormat("en").format(n);

async function isMade(visit) {
	const { page } = visit;

	await visit.open("/configurations");
	await page.getByRole("link", { name: "Make a configuration" }).click();
	await page.getByRole("heading", { name: "Make a configuration" }).waitFor();
	await page.getByLabel("Name").fill("sshd.conf");
	await page.getByRole("textbox", { name: "Content" }).fill("PermitRootLogin no\nPort 22\n");
	await page.getByLabel("Machines with").fill("role=db,site=fra1");
	const { count } = await api("GET", "/clients/count?label=role%3Ddb,site%3Dfra1&state=enrolled");
	await page.getByText(`${words(count)} machines have these now`).waitFor();
	visit.allow(400);
	await page.getByLabel("Machines with").fill("role==");
	await page.getByText("That is not a selector").waitFor();
	await page.getByLabel("Machines with").fill("role=db,site=fra1");
	await page.getByText(`${words(count)} machines have these now`).waitFor();
	await page.getByLabel("Note").fill("no root");
	await page.getByRole("button", { name: "Push" }).click();
	await page.waitForURL(/\/configurations\/sshd.conf$/);
	await page.getByText(`of ${words(count)} machines are where they should be`).waitFor();
	await page.getByRole("button", { name: /away/ }).click();
	await page.waitForURL(/outcome=offline/);
}

async function isChanged(visit) {
	const { page } = visit;

	await visit.open("/configurations/sshd.conf");
	await page.getByRole("link", { name: "Edit" }).click();
	await page.getByRole("textbox", { name: "Content" }).fill("PermitRootLogin no\nPort 2222\n");
	// What is not saved is not lost by a slip.
	await page.getByRole("link", { name: "Overview", exact: true }).click();
	await page.getByRole("alertdialog", { name: "Leave without saving?" }).waitFor();
	await page.getByRole("button", { name: "Stay" }).click();
	await page.getByRole("radio", { name: "All machines" }).check();
	await page.getByText("now, and each that enrols later").waitFor();
	await page.getByRole("button", { name: "Push", exact: true }).click();
	await page.getByRole("alertdialog", { name: "Push sshd.conf to all machines?" }).waitFor();
	await page.getByRole("button", { name: /^Push to [0-9,]+ machines$/ }).click();
	await page.waitForURL(/\/configurations\/sshd.conf$/);
	await visit.settled();

	await page.getByRole("link", { name: "History" }).click();
	await page.getByRole("button", { name: "What revision 2 changed" }).click();
	const difference = page.getByRole("region", { name: "Difference" });
	await difference.waitFor();
	const text = await difference.innerText();
	assert(text.includes("-Port 22\n") && text.includes("+Port 2222\n"), `the difference: ${text}`);
	await page.keyboard.press("Escape");
	await page.getByRole("button", { name: "Roll back to revision 1" }).click();
	await page.getByRole("alertdialog", { name: "Roll sshd.conf back to revision 1?" }).waitFor();
	await page.getByRole("button", { name: "Roll back sshd.conf" }).click();
	await page.getByText("revision 3", { exact: true }).waitFor();
	const now = await api("GET", "/configs/sshd.conf");
	assertEqual([now.revision, now.selector], [3, "role=db,site=fra1"], "what was rolled back to");
}

async function isUploaded(visit) {
	const { page } = visit;

	await visit.open("/configurations/sshd.conf/edit");
	await page.locator("input[type=file]").setInputFiles({ name: "logo.png", mimeType: "image/png", buffer: Buffer.from([137, 80, 0, 255]) });
	await page.getByText("logo.png: 4 B, not text.").waitFor();
	await page.getByRole("radio", { name: "One machine" }).check();
	const { clients: [one] } = await api("GET", "/clients?q=db-&state=enrolled&limit=1");
	await page.getByLabel("Machine", { exact: true }).fill(one.id);
	await page.locator(".hits strong").waitFor();
	await page.getByRole("button", { name: "Push", exact: true }).click();
	await page.waitForURL(/\/configurations\/sshd.conf$/);
	const made = await api("GET", "/configs/sshd.conf");
	assertEqual([made.content, made.selector], ["iVAA/w==", `client:${one.id}`], "what was uploaded");
	await visit.open("/configurations/sshd.conf/content");
	await page.getByText("It is not text").waitFor();
}

async function isRefused(visit) {
	const { page } = visit;
	const { counts } = await api("GET", "/configs/chrony/progress");

	await visit.open("/configurations/chrony");
	await page.getByRole("button", { name: `refused ${words(counts.refused)}` }).click();
	await page.waitForURL(/outcome=refused/);
	await page.locator("td .refusal pre").first().waitFor();
	await page.getByLabel("Search machines").fill("there is none");
	await page.getByText("No machine of that kind").waitFor();
}

// No name is taken by a page of the dashboard's own.
async function isCalledLikeAPage(visit) {
	const { page } = visit;

	for (const name of ["new", "edit", "content", "history"]) {
		await visit.open("/configurations/-/new");
		await page.getByLabel("Name").fill(name);
		await page.getByRole("textbox", { name: "Content" }).fill(`this is ${name}\n`);
		await page.getByLabel("Machines with").fill("role=nobody");
		await page.getByText("0 machines have these now").waitFor();
		await page.getByRole("button", { name: "Push", exact: true }).click();
		await page.waitForURL(new RegExp(`/configurations/${name}$`));
		await page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
		await visit.open("/configurations");
		await page.getByRole("link", { name, exact: true }).click();
		await page.getByRole("heading", { name, level: 1, exact: true }).waitFor();
		await page.getByRole("link", { name: "Content" }).click();
		await page.getByText(`this is ${name}`).waitFor();
		await page.getByRole("link", { name: "History" }).click();
		await page.getByRole("row", { name: /Revision 1/ }).waitFor();
		await page.getByRole("link", { name: "Edit", exact: true }).click();
		await page.getByRole("heading", { name: `Edit ${name}`, level: 1 }).waitFor();
	}
}

async function isRemoved(visit) {
	const { page } = visit;

	await visit.open("/configurations/sshd.conf");
	await page.getByRole("button", { name: "More for sshd.conf" }).click();
	await page.getByRole("menuitem", { name: "Remove from machines …" }).click();
	const go = page.getByRole("button", { name: "Remove configuration" });
	assert(await go.isDisabled(), "it can be removed without typing its name");
	await page.getByLabel(/^Type /).fill("sshd.conf");
	await go.click();
	await page.getByText(/^removed, revision \d+$/).waitFor();
	assertEqual((await api("GET", "/configs/sshd.conf")).kind, "remove", "the newest revision");
}

async function viewersSeeNoContent(browser) {
	const visit = await Visit.start(browser);

	await visit.login("vera", "/configurations/chrony");
	assertEqual(await visit.page.getByRole("link", { name: /^(Edit|Content)$/ }).count(), 0, "what a viewer may not");
	await visit.open("/configurations/chrony/content");
	await visit.page.getByRole("heading", { name: "No permission" }).waitFor();
	await visit.end();
}

export default async function test(browser) {
	const visit = await Visit.start(browser);

	await visit.login("dorothea", "/configurations");
	await isMade(visit);
	await isChanged(visit);
	await isUploaded(visit);
	await isRefused(visit);
	await isCalledLikeAPage(visit);
	await isRemoved(visit);
	await visit.end();
	await viewersSeeNoContent(browser);
}
