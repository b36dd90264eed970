// SPDX-License-Identifier: MIT
// A release is rolled out in the browser: the form tells how many machines it means and asks before; what is wrong with
// it is told at its field; another ends the one before. What the machines (tests/helpers/peer) make of it is seen as it
// happens.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { createInterface } from "node:readline";
import { api, assert, assertEqual, Visit } from "./harness.mjs";

// A machine's connection. has(text): it has told of it; at "wait" it goes on by goOn().
class Peer {
	#told = [];
	#listening = [];

	static async enrolled(token) {
		const peer = new Peer();

		peer.folder = await mkdtemp(`${process.env.HOME}/peer-`);
		await peer.plays("enrol", token, "close").end;
		return peer;
	}

	async #start(commands) {
		const { listen: [address], pin, server_key: key } = await api("GET", "/status");
		const child = spawn(`${process.env.MUSTER_PLACE}/../tests/helpers/peer`, ["--server", address.replace(/^(0\.0\.0\.0|\[::\])/, "127.0.0.1"),
			"--server-key", key, "--pin", pin, "--dir", this.folder, ...commands], { stdio: ["pipe", "pipe", "inherit"] });

		createInterface(child.stdout).on("line", (line) => {
			this.#told.push(line);
			this.#listening.forEach((f) => f());
		});
		this.goOn = () => child.stdin.write("\n");
		return child;
	}

	plays(...commands) {
		const started = this.#start(commands);

		this.end = started.then((child) => once(child, "exit")).then(([code]) => assert(code === 0, `the peer ends with ${code}: ${this.#told.join("\n")}`));
		return this;
	}

	has(text) {
		return new Promise((done) => {
			const look = () => this.#told.some((line) => line.includes(text)) && done();

			this.#listening.push(look);
			look();
		});
	}
}

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
	// It stays when they have been counted.
	const counted = page.getByText("0 machines have these now");
	await counted.waitFor();
	await fill(page, "");
	await submit(page);
	await counted.waitFor({ state: "detached" });
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

// One of two machines is there and fails: that halts it. The other comes when it has been resumed.
async function isFollowed(visit, release) {
	const { page } = visit, words = "the new agent was not acknowledged <b>in time</b>";
	const { token } = await api("POST", "/tokens", { labels: ["role=peer"], uses: 2 });
	const bad = await Peer.enrolled(token), good = await Peer.enrolled(token);
	const badge = (where, text) => page.locator(where).locator(".badge").getByText(text, { exact: true }).waitFor();
	const part = (text) => page.locator(".key").filter({ hasText: new RegExp(`^${text}$`) }).waitFor();

	bad.plays("hello", "update", "wait", "nack", "42", words, "close");
	await bad.has("op=ACK");
	await visit.open("/releases/new");
	await visit.markLoaded();
	await fill(page, "role=peer", { "At once": "1" });
	await page.getByText("2 machines have these now").waitFor();
	await submit(page);
	await page.getByRole("alertdialog").getByRole("button", { name: `Roll out ${release.version}` }).click();
	await badge("table", "under way");
	await part("under way ?1");
	await part("away ?1");
	await bad.has("op=UPDATE");
	bad.goOn();
	await badge(".page-title", "halted");
	await page.locator(".notice-bad").getByText(`It is halted: vm: update put back: ${words}`).waitFor();
	await badge("table", "failed");
	await page.locator("td .refusal pre").getByText(words).waitFor();
	await bad.end;

	await page.getByRole("button", { name: "Resume …" }).click();
	await page.getByRole("button", { name: "Resume roll-out" }).click();
	await badge(".page-title", "running");
	good.plays("hello", "update", "ack", "hello", "close");
	await badge("table", "done");
	await page.getByText("50 % of 2 machines have it").waitFor();
	await page.getByRole("status").getByText("No machine is left to be asked.").waitFor();
	await good.end;
	await visit.assertNotReloaded();
	await page.locator("table").getByText("done").locator("xpath=ancestor::tr").getByRole("link").click();
	await page.getByRole("heading", { name: "Last update" }).waitFor();
	await page.getByText("Updated").waitFor();
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
	await isFollowed(visit, release);
	await visit.end();
}
