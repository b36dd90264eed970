// SPDX-License-Identifier: MIT
// Administrators, API tokens and webhooks in the settings; an administrator that is removed is out at once.

import http from "node:http";
import { api, assert, assertEqual, password, url, Visit } from "./harness.mjs";

async function addAdministrator(page) {
	await page.getByRole("button", { name: "Add an administrator" }).click();
	await page.getByLabel("Name", { exact: true }).fill("emil");
	await page.getByLabel("Role", { exact: true }).selectOption("viewer");
	await page.getByLabel("Password", { exact: true }).fill(password);
	await page.getByRole("button", { name: "Add", exact: true }).click();
	await page.getByText("emil can log in now.").waitFor();
	await page.getByRole("row", { name: /emil/ }).getByText("viewer").waitFor();
}

async function apiToken(page) {
	await page.getByRole("button", { name: "Make an API token" }).click();
	await page.getByLabel("Name", { exact: true }).fill("Grafana");
	await page.getByLabel("Only machines with").fill("=web");
	await page.getByRole("button", { name: "Make API token" }).click();
	await page.locator("[data-field=scope] .field-error:visible, .notice-bad:visible").first().waitFor();
	await page.getByLabel("Only machines with").fill("role=web");
	await page.getByRole("button", { name: "Make API token" }).click();
	const dialog = page.getByRole("dialog", { name: "API token “Grafana”" });
	const secret = await dialog.getByRole("region", { name: "API token" }).innerText();
	await page.keyboard.press("Escape");
	assert(await dialog.isVisible(), "what is shown once was closed by Escape");
	await dialog.getByRole("button", { name: "I have it" }).click();
	return secret;
}

// A receiver of its own, which tells what it got.
async function webhook(page) {
	const got = [];
	const receiver = http.createServer((request, answer) => {
		let text = "";
		request.on("data", (part) => (text += part)).on("end", () => {
			got.push({ ...JSON.parse(text), signature: request.headers["webhook-signature"] });
			answer.end();
		});
	});

	await new Promise((listening) => receiver.listen(0, "127.0.0.1", listening));
	const address = `http://127.0.0.1:${receiver.address().port}/hook`;
	await page.getByRole("button", { name: "Add a webhook" }).click();
	await page.getByLabel("URL").fill(address);
	await page.getByLabel("Events").fill("token.create,");
	await page.getByRole("button", { name: "Add webhook" }).click();
	const dialog = page.getByRole("dialog", { name: "The webhook's secret" });
	assert((await dialog.getByRole("region", { name: "Secret" }).innerText()).startsWith("whsec_"), "that is no secret");
	await dialog.getByRole("button", { name: "I have it" }).click();
	const row = page.getByRole("row", { name: address });
	await row.getByRole("button", { name: `Acts on ${address}` }).click();
	await page.getByRole("menuitem", { name: "Send a test message" }).click();
	await page.getByText("The test message was taken.").waitFor();
	assertEqual(got.map((g) => g.type), ["webhook.test"], "what came");
	assert(got[0].signature.startsWith("v1,"), "it isn't signed");
	await row.getByRole("button", { name: `Acts on ${address}` }).click();
	await page.getByRole("menuitem", { name: "Remove …" }).click();
	await page.getByRole("alertdialog").getByRole("button", { name: "Remove webhook" }).click();
	await row.waitFor({ state: "detached" });
	receiver.close();
}

const asks = (secret) => fetch(`${url}/api/v1/clients`, { headers: { Authorization: `Bearer ${secret}` } }).then((a) => a.status);

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	await visit.login("dorothea", "/settings/administrators");
	await addAdministrator(page);
	const emil = await Visit.start(browser);
	await emil.login("emil", "/tokens");
	emil.allow(401); // as soon as he is removed: his page may ask first
	const row = page.getByRole("row", { name: /emil/ });
	await row.getByRole("button", { name: "Acts on emil" }).click();
	await page.getByRole("menuitem", { name: "Remove …" }).click();
	await page.getByRole("alertdialog", { name: "Remove administrator emil?" }).getByRole("button", { name: "Remove emil" }).click();
	await row.waitFor({ state: "detached" });
	await emil.page.getByRole("link", { name: "Overview", exact: true }).click();
	await emil.page.waitForURL("**/login**");
	await emil.end();

	await visit.open("/settings/api-tokens");
	visit.allow(400);
	const secret = await apiToken(page);
	assertEqual(await asks(secret), 200, "with the API token");
	await page.getByRole("button", { name: "Revoke Grafana" }).click();
	await page.getByRole("alertdialog").getByRole("button", { name: "Revoke API token" }).click();
	await page.getByRole("row", { name: /Grafana/ }).getByText("revoked").waitFor();
	assertEqual(await asks(secret), 401, "with the revoked one");

	await visit.open("/settings/webhooks");
	await webhook(page);

	await visit.open("/settings");
	await page.getByLabel("Present password").fill("wrong");
	await page.getByLabel("New password", { exact: true }).fill(`${password}!`);
	await page.getByLabel("New password again").fill(`${password}?`);
	await page.getByRole("button", { name: "Change password" }).click();
	await page.getByText("That is not the same as above.").waitFor();
	await page.getByLabel("New password again").fill(`${password}!`);
	visit.allow(401);
	visit.allow(403);
	await page.getByRole("button", { name: "Change password" }).click();
	await page.locator(".field-error:visible, .notice-bad:visible").first().waitFor();
	assertEqual((await api("GET", "/admins")).admins.map((a) => a.name).includes("emil"), false, "emil is still there");
	await visit.end();
}
