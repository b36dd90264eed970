// SPDX-License-Identifier: MIT
//
// Before anything is painted: light or dark if somebody has chosen, else what the system says.
//
// And what of the page doesn't come is asked for again. A network that changes while a page is loaded (another WLAN, a
// VPN, one address more) takes along requests that are under way, and a module that is missing is the whole page: the
// browser takes none twice. So the page is loaded anew as soon as the server has the module for us, ATTEMPTS times; what
// index.html shows meanwhile has the way for people.
(() => {
	const ATTEMPTS = 3, FIRST_WAIT = 250, LONGEST_WAIT = 15000; // milliseconds
	const root = document.documentElement;
	let chosen = null;

	try {
		chosen = localStorage.getItem("muster.theme");
	} catch {
		// No storage, no choice.
	}
	if (chosen === "light" || chosen === "dark")
		root.dataset.theme = chosen;

	const isModule = (node) => node.localName === "script" && node.type === "module";
	const loads = () => history.state?.loads ?? 0;

	function setLoads(n) {
		history.replaceState({ ...history.state, loads: n }, "");
	}

	async function isThere(file) {
		try {
			return (await fetch(file, { method: "HEAD", cache: "no-store" })).ok;
		} catch {
			return false;
		}
	}

	async function loadAgain(file, wait = FIRST_WAIT) {
		await new Promise((done) => setTimeout(done, wait));
		if (loads() < ATTEMPTS && await isThere(file)) {
			setLoads(loads() + 1);
			location.reload();
			return;
		}
		root.dataset.start = "failed";
		if (loads() < ATTEMPTS)
			loadAgain(file, Math.min(2 * wait, LONGEST_WAIT));
	}

	// A style can be taken once more without the page.
	function linkAgain(link) {
		const tried = Number(link.dataset.tried ?? 0), copy = link.cloneNode();

		copy.dataset.tried = tried + 1;
		if (tried < ATTEMPTS)
			setTimeout(() => link.replaceWith(copy), FIRST_WAIT * 2 ** tried);
	}

	document.addEventListener("error", ({ target }) => {
		if (isModule(target))
			loadAgain(target.src);
		else if (target.localName === "link" && target.rel === "stylesheet")
			linkAgain(target);
	}, true);
	document.addEventListener("load", ({ target }) => {
		if (isModule(target) && loads() > 0)
			setLoads(undefined);
	}, true);
})();
