// SPDX-License-Identifier: MIT
//
// A browser on the dashboard, and everything in it that must not happen: errors in the console, reports of the
// Content-Security-Policy, requests that fail, dialogs of scripts. Whatever of that comes, and was not allowed before,
// fails the test at its end.
//
// The environment: MUSTER_URL, where the dashboard is; MUSTER_SOCKET, the control socket; MUSTER_PLACE, the folder
// with node_modules; MUSTER_BROWSER, another chromium than Debian's.

import { execFile } from "node:child_process";
import http from "node:http";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const { chromium } = createRequire(`${process.env.MUSTER_PLACE}/`)("playwright-core");
export const url = process.env.MUSTER_URL;
export const password = "correct horse battery staple";

// What it would ask of the network by itself is switched off; in tests there is none.
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--font-render-hinting=none"];

export function launch() {
	return chromium.launch({ executablePath: process.env.MUSTER_BROWSER ?? "/usr/bin/chromium", args: ARGUMENTS });
}

// A path of the API by the control socket, as root: what a test prepares, or compares with.
export function api(method, path, body) {
	return new Promise((resolve, reject) => {
		const request = http.request({
			socketPath: process.env.MUSTER_SOCKET, method, path: `/api/v1${path}`,
			headers: { Host: "localhost", "Content-Type": "application/json" },
		}, (answer) => {
			let text = "";
			answer.on("data", (part) => (text += part));
			answer.on("end", () => (answer.statusCode < 300 ? resolve(text ? JSON.parse(text) : null)
				: reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`))));
		});
		request.on("error", reject);
		request.end(body === undefined ? undefined : JSON.stringify(body));
	});
}

// A command of tests/machines: act("on", "web", "sh", "/root/install.sh"). What it printed.
export async function act(...command) {
	const machines = new URL("../machines/machines.bash", import.meta.url).pathname;
	const { stdout } = await promisify(execFile)("bash", ["-c", '. "$0"; "$@" </dev/null', machines, ...command]);

	return stdout;
}

export function assert(truth, text) {
	if (!truth)
		throw new Error(text);
}

export function assertEqual(is, should, what) {
	const [a, b] = [JSON.stringify(is), JSON.stringify(should)];

	assert(a === b, `${what}: ${a}, not ${b}`);
}

export class Visit {
	static all = [];
	#allowed = [];
	wrong = [];

	// options: Playwright's for a context: viewport, colorScheme …
	static async start(browser, options = {}) {
		const visit = new Visit();

		Visit.all.push(visit);
		visit.context = await browser.newContext({ viewport: { width: 1280, height: 860 }, locale: "en-GB", timezoneId: "UTC", ...options });
		await visit.context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: url });
		await visit.context.exposeBinding("reportPolicy", (_, text) => visit.#note(`policy: ${text}`));
		await visit.context.addInitScript(() => {
			addEventListener("securitypolicyviolation", (event) =>
				window.reportPolicy(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
		});
		visit.page = await visit.newPage();
		return visit;
	}

	async newPage() {
		const page = await this.context.newPage();

		page.setDefaultTimeout(120000); // a busy machine breaks nothing
		page.on("console", (m) => ["error", "warning"].includes(m.type()) && this.#note(`console: ${m.text()} ${m.location().url}`));
		page.on("pageerror", (error) => this.#note(`error: ${error.stack ?? error}`));
		page.on("dialog", (dialog) => {
			if (dialog.type() !== "beforeunload")
				this.#note(`dialog: ${dialog.message()}`);
			dialog.accept();
		});
		page.on("requestfailed", (request) => {
			// Left behind on purpose: by a page that is left, or a stream that is closed.
			if (request.failure()?.errorText !== "net::ERR_ABORTED")
				this.#note(`request: ${request.url()} ${request.failure()?.errorText}`);
		});
		page.on("response", (response) => {
			if (response.status() >= 400)
				this.#note(`status: ${response.status()} ${response.url()}`);
			if (!response.url().startsWith(url) && !response.url().startsWith("blob:") && !response.url().startsWith("data:"))
				this.#note(`foreign: ${response.url()}`);
		});
		return page;
	}

	#note(text) {
		if (!this.#allowed.some((pattern) => pattern.test(text)))
			this.wrong.push(text);
	}

	// From now on this may happen: an answer that the test provokes is in the browser's console too. end: of the address.
	allow(status, end = "") {
		this.#allowed.push(new RegExp(`^status: ${status} .*${end}$`), new RegExp(`^console: Failed to load resource: .*status of ${status} .*${end}$`));
	}

	// The same for requests that get no answer; errors: a part of a RegExp, of what follows ERR_ in Chromium's name.
	allowLost(errors) {
		this.#allowed.push(new RegExp(`^request: .*ERR_${errors}`), new RegExp(`^console: Failed to load resource: net::ERR_${errors}`),
			/^console: TypeError: Failed to fetch dynamically imported module/);
	}

	// For the time that the server is away.
	allowAway() {
		this.allowLost("(CONNECTION|INCOMPLETE|EMPTY)");
	}

	async open(path) {
		await this.page.goto(url + path);
		await this.settled();
	}

	// The page that is shown is complete.
	async settled() {
		await this.page.waitForSelector("main:not([aria-busy]) h1");
		await this.page.waitForFunction(() => !document.querySelector("[aria-busy=true]"));
	}

	async login(name, path = "/") {
		await this.open(`/login?to=${encodeURIComponent(path)}`);
		await this.page.getByLabel("Name").fill(name);
		await this.page.getByLabel("Password").fill(password);
		await this.page.getByRole("button", { name: "Log in" }).click();
		await this.page.waitForURL((now) => now.pathname + now.search === path);
		await this.settled();
	}

	// So that a test sees whether the page was loaded again since.
	async markLoaded() {
		await this.page.evaluate(() => (window.sinceThen = true));
	}

	async assertNotReloaded() {
		assert(await this.page.evaluate(() => window.sinceThen === true), "the page was loaded again");
	}

	async end() {
		await this.context.close();
		assert(this.wrong.length === 0, `what must not happen:\n  ${this.wrong.join("\n  ")}`);
	}
}
