// SPDX-License-Identifier: MIT
// Before anything is painted: light or dark if somebody has chosen, else what the system says.
(() => {
	let chosen = null;
	try {
		chosen = localStorage.getItem("muster.theme");
	} catch {
		// No storage, no choice.
	}
	if (chosen === "light" || chosen === "dark")
		document.documentElement.dataset.theme = chosen;
})();
