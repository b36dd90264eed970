// SPDX-License-Identifier: MIT
// Roll-outs of a release with what machines say in them: seen as it happens, resumed, halted and ended. This server
// offers no release, which is told too.

import { api, assert, assertEqual, Visit } from "./harness.mjs";

const HOSTILE = "<img src=x onerror=\"document.title='X'\">";
const words = (n) => new Intl.NumberFormat("en").format(n);
const part = (page, name, n) => page.locator(".key").filter({ hasText: new RegExp(`^${name} ?${words(n)}$`) });
const state = (page, name) => page.locator(".page-title .badge").getByText(name, { exact: true });

async function isClean(page) {
	assertEqual(await page.locator("img, iframe, object, embed, main script, main svg[onload]").count(), 0, `elements that nobody made on ${page.url()}`);
	assert((await page.title()).endsWith("muster"), `the title is another on ${page.url()}`);
}

// The overview of them: what stands, why it is halted, what failed and where.
async function isTold(visit, rollout) {
	const { page } = visit;

	await page.getByRole("link", { name: "1 halted roll-out" }).waitFor();
	await api("POST", `/rollouts/${rollout.id}/resume`);
	await page.getByRole("link", { name: "1 halted roll-out" }).waitFor({ state: "detached" });
	await api("POST", `/rollouts/${rollout.id}/halt`, { reason: `web (${"0".repeat(32)}): ${HOSTILE}` });
	await page.getByRole("link", { name: "release 0.1.0", exact: true }).waitFor();
	await page.keyboard.press("g");
	await page.keyboard.press("r");
	await page.getByRole("heading", { name: "Releases", level: 1 }).waitFor();
	await page.getByText("No release is offered").waitFor();
	assertEqual(await page.getByRole("link", { name: /^Roll/ }).count(), 0, "links to roll out what isn't there");
	await page.locator(".notice-bad").getByText(`: ${HOSTILE}`).waitFor();
	assertEqual(await page.locator(".notice-bad").getByRole("link", { name: "web" }).getAttribute("href"), `/machines/${"0".repeat(32)}`, "the machine that halted it");
	for (const badge of ["halted", "failed", "lost"])
		await page.locator(".card").first().locator(".badge").getByText(badge, { exact: true }).first().waitFor();
	await page.locator(".refusal pre").first().getByText(HOSTILE).waitFor();
	await page.getByText("It was not heard of again").waitFor();
	assertEqual(await page.locator("table tr.linked").count(), 2, "roll-outs");
	await isClean(page);
	await part(page, "failed or lost", rollout.counts.failed).click();
	await page.waitForURL(`**/releases/${rollout.id}?outcome=failed`);
	await visit.settled();
}

// Machine by machine: those that need somebody first, each a way to its own page.
async function isListed(visit, { id, counts }) {
	const { page } = visit, rows = page.locator("table tr.linked");
	const all = Object.values(counts).reduce((sum, n) => sum + n);

	await page.locator("table .badge").getByText("lost").waitFor();
	assertEqual(await rows.count(), counts.failed, "machines that failed");
	await part(page, "away", counts.offline).click();
	await page.waitForURL("**?outcome=offline");
	await page.waitForFunction(() => document.querySelectorAll("table tr.linked").length >= 100);
	assertEqual(await page.locator("table .badge").getByText("failed").count(), 0, "machines of another outcome");
	await part(page, "all", all).click();
	await page.waitForURL(`**/releases/${id}`);
	await page.locator("table .badge").getByText("lost").waitFor();
	const told = await page.locator("table .badge").allTextContents();
	assertEqual(told.slice(0, 10), ["failed", "failed", "lost", ...Array(6).fill("under way"), "done"], "the order");
	assertEqual(told.slice(9, 9 + counts.done + 1), [...Array(counts.done).fill("done"), "away"], "what follows it");
	await isClean(page);

	await rows.first().getByRole("link").first().click();
	await page.getByRole("heading", { name: "Last update" }).waitFor();
	await page.locator(".refusal pre").getByText(HOSTILE).waitFor();
	await isClean(page);
	await page.getByRole("link", { name: "Roll-out", exact: true }).click();
	await page.getByRole("heading", { name: "Roll-out of 0.1.0", level: 1 }).waitFor();
}

// Each act asks first; what somebody else does is seen too, and takes the focus from nobody.
async function isActedOn(visit, { id }) {
	const { page } = visit;

	await visit.markLoaded();
	await page.getByRole("button", { name: "Resume …" }).click();
	const sure = page.getByRole("alertdialog", { name: "Resume the roll-out of 0.1.0?" });
	assertEqual(await sure.getByLabel("Failures allowed").inputValue(), "3", "as many as there have been");
	await sure.getByLabel("Failures allowed").fill("-1");
	await sure.getByRole("button", { name: "Resume roll-out" }).click();
	await sure.locator(".field-error:visible").waitFor();
	assertEqual((await api("GET", `/rollouts/${id}`)).state, "halted", "what was not confirmed");
	await sure.getByLabel("Failures allowed").fill("5");
	await sure.getByRole("button", { name: "Resume roll-out" }).click();
	await state(page, "running").waitFor();
	await page.getByText("This server offers another release, or none.").waitFor();
	assertEqual((await api("GET", `/rollouts/${id}`)).failures, 5, "failures that are allowed");

	const kept = page.locator(".key", { hasText: "all" });
	await kept.focus();
	await api("POST", `/rollouts/${id}/halt`, { reason: HOSTILE });
	await state(page, "halted").waitFor();
	await page.locator(".notice-bad").getByText(HOSTILE).waitFor();
	assert(await kept.evaluate((node) => node === document.activeElement), "the focus is gone");
	await isClean(page);
	await api("POST", `/rollouts/${id}/resume`);
	await state(page, "running").waitFor();

	await page.getByRole("button", { name: "Halt …" }).click();
	await page.getByRole("alertdialog", { name: "Halt the roll-out of 0.1.0?" }).getByLabel("Reason").fill("lunch");
	await page.getByRole("button", { name: "Halt roll-out" }).click();
	await page.getByText("It is halted: lunch").waitFor();
	await page.getByRole("button", { name: "End …" }).click();
	await page.keyboard.press("Escape");
	await page.getByRole("alertdialog").waitFor({ state: "detached" });
	await state(page, "halted").waitFor();
	await page.getByRole("button", { name: "End …" }).click();
	await page.getByRole("button", { name: "End roll-out" }).click();
	await state(page, "ended").waitFor();
	assertEqual(await page.locator("main").getByRole("button", { name: /…$/ }).count(), 0, "acts on what has ended");
	await visit.assertNotReloaded();
	await page.getByRole("link", { name: "Releases", exact: true }).first().click();
	await page.getByText("No roll-out is under way").waitFor();
}

async function viewersDoNothing(browser, { id }) {
	const visit = await Visit.start(browser), { page } = visit;

	visit.allow(404);
	await visit.login("vera", `/releases/${id}`);
	await state(page, "halted").waitFor();
	await page.locator("table tr.linked").first().waitFor();
	assertEqual(await page.locator("main").getByRole("button", { name: /…$/ }).count(), 0, "what a viewer may not");
	await visit.open("/releases/new");
	await page.getByRole("heading", { name: "No permission", level: 1 }).waitFor();
	for (const bad of ["none", "0", "-1", "99999999999999999999", "3.5"]) {
		await visit.open(`/releases/${bad}?outcome=${bad}`);
		await page.getByRole("heading", { name: "Not found", level: 1 }).waitFor();
		await isClean(page);
	}
	await visit.open(`/releases/${id}?outcome=${encodeURIComponent(HOSTILE)}`);
	await page.locator("table tr.linked").first().waitFor();
	await visit.end();
}

export default async function test(browser) {
	const visit = await Visit.start(browser);
	const { rollouts: [{ id }] } = await api("GET", "/rollouts?limit=1");
	const rollout = await api("GET", `/rollouts/${id}`);

	await viewersDoNothing(browser, rollout);
	await visit.login("dorothea");
	await isTold(visit, rollout);
	await isListed(visit, rollout);
	await isActedOn(visit, rollout);
	await visit.open("/releases/new");
	await visit.page.getByText("No release is offered").waitFor();
	await visit.end();
}
