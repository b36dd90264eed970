// SPDX-License-Identifier: MIT
//
// muster-protocol(7) a second time, written from the page and sharing nothing with lib/: what the page's test
// vectors are checked with.
import { createCipheriv, createHash, createPrivateKey, hkdfSync, sign as edSign } from "node:crypto";
import { readFileSync } from "node:fs";
import { secp256k1 } from "@noble/curves/secp256k1";
import { blake2b } from "@noble/hashes/blake2b";

export const hex = (bytes) => Buffer.from(bytes).toString("hex");
export const bytes = (digits) => Buffer.from(digits, "hex");
export const cat = (...parts) => Buffer.concat(parts.map((p) => (typeof p === "string" ? Buffer.from(p) : p)));
export const sha256 = (data) => createHash("sha256").update(data).digest();

export function uint(value, size) {
	const ret = Buffer.alloc(8);
	ret.writeBigUInt64BE(BigInt(value));
	return ret.subarray(8 - size);
}
export const u8 = (value) => uint(value, 1);
export const u16 = (value) => uint(value, 2);
export const u32 = (value) => uint(value, 4);
export const u64 = (value) => uint(value, 8);
export const text = (value) => cat(u8(Buffer.byteLength(value)), value);
export const text2 = (value) => cat(u16(Buffer.byteLength(value)), value);
export const labels = (list) => cat(u8(list.length), ...list.map(text));

export const publicKey = (secret) => Buffer.from(secp256k1.getPublicKey(secret, false));

// Keys and packets
export function derive(secret, peer, ephemeral) {
	const shared = secp256k1.getSharedSecret(secret, peer, false);
	return Buffer.from(hkdfSync("sha256", cat(ephemeral, shared), "", "", 32));
}

export function seal(to, ephemeralSecret, nonce, plain) {
	const ephemeral = publicKey(ephemeralSecret);
	const cipher = createCipheriv("aes-256-gcm", derive(ephemeralSecret, to, ephemeral), nonce);
	const encrypted = cat(cipher.update(plain), cipher.final());
	return cat(ephemeral, nonce, cipher.getAuthTag(), encrypted);
}

export function frame(op, sealed) {
	return cat(u16(1 + sealed.length), u8(op), sealed);
}

// Messages
export function digest(op, direction, binding, receiver, signed) {
	return sha256(cat("muster-message-1", u8(op), u8(direction), binding, receiver, signed));
}

export function sign(hash, secret) {
	return Buffer.from(secp256k1.sign(hash, secret, { prehash: false }).toCompactRawBytes());
}

// Facts
export function machineHash(machineId) {
	return Buffer.from(blake2b(cat(machineId), { dkLen: 32, key: cat("muster machine-id 1") }));
}

export function facts(f) {
	return cat(text(f.hostname), text(f.os), text(f.kernel), text(f.arch), text(f.version), f.machine);
}

// Signature files
export function edKey(seed) {
	const der = cat(bytes("302e020100300506032b657004220420"), seed);
	return createPrivateKey({ key: der, format: "der", type: "pkcs8" });
}

export function edPublic(seed) {
	return bytes(hex(Buffer.from(edKey(seed).export({ format: "jwk" }).x, "base64url")));
}

export function minisign(seed, id, data, untrusted, trusted) {
	const key = edKey(seed);
	const first = edSign(null, createHash("blake2b512").update(data).digest(), key);
	const second = edSign(null, cat(first, trusted), key);
	return (
		`untrusted comment: ${untrusted}\n${cat("ED", id, first).toString("base64")}\n` +
		`trusted comment: ${trusted}\n${second.toString("base64")}\n`
	);
}

// The page's vectors: "name = hex", or "name =" and the hex on the lines below, each after a tab.
export function vectors(path) {
	const ret = {};
	let name = null;
	for (const line of readFileSync(path, "utf8").split("\n")) {
		const start = line.match(/^([a-z][a-z0-9.-]*) =(?: ([0-9a-f]+))?$/);
		const more = line.match(/^[ \t]+([0-9a-f]+)$/);
		if (start) {
			if (start[1] in ret) throw new Error(`${start[1]} is there twice`);
			name = start[1];
			ret[name] = start[2] ?? "";
		} else if (more && name) {
			ret[name] += more[1];
		} else {
			name = null;
		}
	}
	return ret;
}
