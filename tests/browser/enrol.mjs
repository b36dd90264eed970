// SPDX-License-Identifier: MIT
// A token made in the browser, its script copied, run on a real machine exactly as it is; the machine appears without
// the page being loaded again. Then the token's end.

import { writeFile } from "node:fs/promises";
import { act, api, assert, assertEqual, Visit } from "./harness.mjs";

async function makeToken(page) {
	await page.getByRole("link", { name: "Make a token" }).first().click();
	await page.getByRole("heading", { name: "Make a token", level: 1 }).waitFor();
	await page.getByLabel("Labels").fill("role=web Site=Bonn");
	await page.getByLabel("Machines that may use it").fill("2");
	await page.getByLabel("Note").fill("For the browser's test");
	await page.getByRole("button", { name: "Make token" }).click();
	// A key in capital letters is none: told where it was typed, and nothing was made.
	await page.locator("[data-field=labels] .field-error").getByText("is not a label").waitFor();
	await page.getByRole("button", { name: "Take Site=Bonn away" }).click();
	await page.getByLabel("Labels").fill("site=bonn,");
	await page.getByLabel("Expires").selectOption("1h");
	await page.getByLabel("Machines that stay away").selectOption("604800");
	await page.getByRole("button", { name: "Make token" }).click();
	await page.getByRole("heading", { name: "A new token", level: 1 }).waitFor();
}

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	await visit.login("dorothea", "/tokens");
	visit.allow(400);
	await visit.markLoaded();
	await makeToken(page);
	assertEqual((await api("GET", "/tokens?order=newest&limit=1")).tokens[0].labels, ["role=web", "site=bonn"], "its labels");
	await page.getByText("0 of 2").waitFor();
	await page.locator(".countdown").getByText(/^(59|60):\d\d$|^1:00:00$/).waitFor();

	// What is copied is what is run.
	await page.getByRole("button", { name: "Copy script" }).click();
	await page.getByRole("button", { name: "Copied" }).waitFor();
	const script = await page.evaluate(() => navigator.clipboard.readText());
	assert(script.startsWith("#!/bin/sh\n") && script.trimEnd().endsWith("}"), "that is not the script");
	const file = `${process.env.MUSTER_PLACE}/install.sh`;
	await writeFile(file, script, { mode: 0o600 });
	await act("machine_put", "web", file, "/root/install.sh");
	await page.getByText("Waiting for the first machine").waitFor();
	await act("on", "web", "sh", "/root/install.sh");

	// There it is.
	await page.getByRole("log").getByRole("link", { name: "web" }).waitFor();
	await page.getByText("1 of 2").waitFor();
	await visit.assertNotReloaded();

	// What is downloaded is the same; the one line is the one that musterctl tells.
	const download = page.waitForEvent("download");
	await page.getByRole("button", { name: "Download" }).click();
	assertEqual((await download).suggestedFilename(), "install-muster.sh", "the file's name");
	const line = await page.getByRole("region", { name: "Command with curl" }).innerText();
	const { pin } = await api("GET", "/status");
	assertEqual(line, `curl -q -g -fsS -k --proto =https --pinnedpubkey '${pin}' 'https://hub:8443/clients/linux' | sudo sh`, "the line");

	// The token is shown this one time.
	const digits = await page.locator(".secret").innerText();
	await page.getByRole("link", { name: "Done" }).click();
	await page.getByRole("link", { name: "For the browser's test" }).click();
	await page.getByRole("link", { name: "web" }).waitFor();
	await page.getByText("machines that stay away for 7 days are removed").waitFor();
	assert(!(await page.content()).includes(digits), "the token is still shown");
	await visit.assertNotReloaded();

	// Its end, only after a question that names it.
	await page.getByRole("button", { name: "Revoke …" }).click();
	await page.getByRole("alertdialog", { name: /Revoke token .*For the browser's test/ }).waitFor();
	await page.keyboard.press("Escape");
	assertEqual((await api("GET", "/tokens?order=newest&limit=1")).tokens[0].state, "live", "after Escape it");
	await page.getByRole("button", { name: "Revoke …" }).click();
	await page.getByRole("alertdialog").getByRole("button", { name: "Revoke token" }).click();
	await page.locator(".badge").getByText("revoked").waitFor();
	assertEqual((await api("GET", "/tokens?order=newest&limit=1")).tokens[0].state, "revoked", "the token");
	await page.goBack();
	await page.getByText("No live tokens").waitFor();
	await visit.end();
}
