// SPDX-License-Identifier: MIT
// What this browser remembers for whoever uses it: light or dark, shortcuts or none. Nothing else is kept here.

function read(name) {
	try {
		return localStorage.getItem(`muster.${name}`);
	} catch {
		return null;
	}
}

function write(name, value) {
	try {
		if (value === null)
			localStorage.removeItem(`muster.${name}`);
		else
			localStorage.setItem(`muster.${name}`, value);
	} catch {
		// Then until the page is left.
	}
}

// "light", "dark" or "system".
export function theme() {
	return document.documentElement.dataset.theme ?? "system";
}

export function setTheme(value) {
	if (value === "system")
		delete document.documentElement.dataset.theme;
	else
		document.documentElement.dataset.theme = value;
	write("theme", value === "system" ? null : value);
}

let single = read("shortcuts") !== "off";

export function shortcuts() {
	return single;
}

export function setShortcuts(on) {
	single = on;
	write("shortcuts", on ? null : "off");
}
