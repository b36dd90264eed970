// SPDX-License-Identifier: MIT
//
// Elements without markup. Text stays text whatever is in it: nothing here, or anywhere else in the
// dashboard, turns a string into elements.
//
//   h("button", { class: "primary", disabled: true, onclick: f }, "Make ", node, [more])
//   svg("circle", { cx: 8, cy: 8, r: 4 })
//   fill(node, ...children)       in the place of what was in it
//
// Children: nodes, strings, numbers, lists of these; null, undefined and false are left out.
// Properties: on… take functions; true sets an attribute without a value; null, undefined and false leave it out.

const SVG = "http://www.w3.org/2000/svg";

// Links lead to this origin or to something made here.
function checkLink(value) {
	if (!/^(\/(?!\/)|#|\?|blob:)/.test(value))
		throw new Error(`not a link of the dashboard: ${value}`);
	return value;
}

function setProperty(node, name, value) {
	if (value === null || value === undefined || value === false)
		return;
	if (name.startsWith("on")) {
		if (typeof value !== "function")
			throw new Error(`${name} takes a function`);
		node.addEventListener(name.slice(2), value);
	} else if (name === "style" || name === "srcdoc") {
		throw new Error(`${name} is not used here`);
	} else if (name === "value" || name === "checked" || name === "indeterminate") {
		node[name] = value;
	} else {
		if (name === "href" || name === "src" || name === "action")
			checkLink(String(value));
		node.setAttribute(name, value === true ? "" : String(value));
	}
}

function append(node, child) {
	if (child === null || child === undefined || child === false)
		return;
	if (Array.isArray(child))
		child.forEach((c) => append(node, c));
	else
		node.append(child instanceof Node ? child : String(child));
}

function build(node, rest) {
	const [first] = rest;
	const hasProperties = first && typeof first === "object" && !(first instanceof Node) && !Array.isArray(first);

	if (hasProperties)
		for (const [name, value] of Object.entries(first))
			setProperty(node, name, value);
	append(node, hasProperties ? rest.slice(1) : rest);
	return node;
}

export function h(tag, ...rest) {
	return build(document.createElement(tag), rest);
}

export function svg(tag, ...rest) {
	return build(document.createElementNS(SVG, tag), rest);
}

export function fill(node, ...children) {
	node.replaceChildren();
	append(node, children);
	return node;
}

let ids = 0;

// For label and aria-… attributes.
export function newId(prefix = "e") {
	return `${prefix}-${++ids}`;
}
