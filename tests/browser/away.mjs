// SPDX-License-Identifier: MIT
// The server goes away and comes back, with other things than before: the page tells, and catches up by itself.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { api, Visit } from "./harness.mjs";

// The test's own command: stops, starts.
const server = (what) => promisify(execFile)("bash", ["-c", process.env.MUSTER_SERVER, "bash", what]);

export default async function test(browser) {
	const visit = await Visit.start(browser), { page } = visit;

	await visit.login("dorothea", "/tokens");
	await page.getByText("Live", { exact: true }).first().waitFor();
	await visit.markLoaded();
	visit.allowAway();
	await server("stops");
	await page.locator(".live").getByText(/Connecting|Every 15 s/).waitFor();
	await server("starts");
	const { id } = await api("POST", "/tokens", { note: "Made meanwhile" });
	await page.getByRole("link", { name: "Made meanwhile" }).waitFor();
	await page.locator(".live").getByText("Live").waitFor();
	await api("POST", `/tokens/${id}/revoke`, {});
	await page.getByRole("link", { name: "Made meanwhile" }).waitFor({ state: "detached" });
	await visit.assertNotReloaded();
	await visit.end();
}
