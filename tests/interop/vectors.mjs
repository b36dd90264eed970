// SPDX-License-Identifier: MIT
//
// The test vectors of muster-protocol(7), made from their inputs. `node vectors.mjs` prints them as the page has
// them; interop.mjs compares.
import { pathToFileURL } from "node:url";
import * as p from "./protocol.mjs";

const fill = (byte, size) => Buffer.alloc(size, byte);
const small = (n) => p.cat(fill(0, 31), p.u8(n));

const time = 1795305600;
const token = p.bytes("0123456789abcdef");
const noId = fill(0, 16);
const clientId = fill(0x66, 16);
const client = fill(0x11, 32);
const server = fill(0x22, 32);
const ephemeral = fill(0x33, 32);
const nonce = fill(0x44, 16);
const binding = fill(0x55, 32);
const machineId = "0123456789abcdef0123456789abcdef";
const facts = p.facts({
	hostname: "web-1",
	os: "Debian GNU/Linux 12 (bookworm)",
	kernel: "6.1.0-30-amd64",
	arch: "x86_64",
	version: "0.1.0",
	machine: p.machineHash(machineId),
});

function derived() {
	return {
		"derive.sender-secret": small(2),
		"derive.receiver-secret": small(3),
		"derive.key": p.derive(small(2), p.publicKey(small(3)), p.publicKey(small(2))),
	};
}

function ecies() {
	const plain = p.cat("hello world");
	const to = p.publicKey(server);
	return {
		"ecies.receiver-secret": server,
		"ecies.receiver-public": to,
		"ecies.ephemeral-secret": ephemeral,
		"ecies.nonce": nonce,
		"ecies.key": p.derive(ephemeral, to, p.publicKey(ephemeral)),
		"ecies.plaintext": plain,
		"ecies.sealed": p.seal(to, ephemeral, nonce, plain),
	};
}

// One message in one packet, from the client.
function message(name, op, id, sequence, body) {
	const to = p.publicKey(server);
	const signed = p.cat(id, p.u64(sequence), body);
	const digest = p.digest(op, 0, binding, to, signed);
	const signature = p.sign(digest, client);
	const plain = p.cat(p.u8(0), signed, signature);
	return {
		[`${name}.client-id`]: id,
		[`${name}.sequence`]: p.u64(sequence),
		[`${name}.body`]: body,
		[`${name}.digest`]: digest,
		[`${name}.signature`]: signature,
		[`${name}.frame`]: p.frame(op, p.seal(to, ephemeral, nonce, plain)),
	};
}

function messages() {
	const tokenBody = p.cat(p.publicKey(client), p.u8(1), token, p.u64(time));
	const helloBody = p.cat(p.u8(1), fill(0x77, 16), p.u64(time), p.u64(3600), facts);
	return {
		"session.client-secret": client,
		"session.client-public": p.publicKey(client),
		"session.server-secret": server,
		"session.server-public": p.publicKey(server),
		"session.ephemeral-secret": ephemeral,
		"session.nonce": nonce,
		"session.binding": binding,
		...message("hello", 0, clientId, 1, helloBody),
		...message("token", 16, noId, 1, tokenBody),
	};
}

function bodies() {
	const labels = p.labels(["canary", "role=web"]);
	return {
		"machine.id": p.cat(machineId),
		"machine.hash": p.machineHash(machineId),
		"body.token-answer": p.cat(p.u8(1), p.u64(time), p.u64(time + 86400), p.u32(1), labels),
		"body.enrol": p.cat(p.publicKey(client), p.u8(1), token, p.u64(time), fill(0x88, 32), facts),
		"body.enrolled": p.cat(p.u8(1), clientId, p.u64(time), p.u32(60), p.u8(1), fill(0x99, 32), labels),
		"body.ack": p.cat(p.u8(1), p.u64(1), p.u64(time), p.u32(60)),
		"body.nack": p.cat(p.u8(1), p.u64(1), p.u16(17), p.u32(0), p.text2("the token expired")),
	};
}

const agentLine = `file linux/x86_64/muster-agent 5 ${p.hex(p.sha256("agent"))}\n`;

function releases() {
	const digest = p.sha256(`version 0.1.0\n${agentLine}`);
	return {
		"body.update": p.cat(p.u8(1), p.u64(1795305737344), digest, p.text("0.1.0")),
		"manifest.digest": digest,
	};
}

function signatures() {
	const seed = fill(0xaa, 32);
	const id = p.bytes("0102030405060708");
	const manifest = `muster-manifest 1\nserial 3\nversion 0.1.0\nissued 1795305600\n${agentLine}`;
	const publicText = p.cat("Ed", id, p.edPublic(seed)).toString("base64");
	return {
		"minisign.seed": seed,
		"minisign.key-id": id,
		"minisign.public": p.cat(publicText),
		"minisign.data": p.cat(manifest),
		"minisign.trusted-comment": p.cat("serial 3"),
		"minisign.file": p.cat(p.minisign(seed, id, manifest, "signature by muster", "serial 3")),
	};
}

export const expected = Object.fromEntries(
	Object.entries({ ...derived(), ...ecies(), ...messages(), ...bodies(), ...releases(), ...signatures() }).map(([name, value]) => [
		name,
		p.hex(value),
	]),
);

if (import.meta.url === pathToFileURL(process.argv[1]).href)
	for (const [name, digits] of Object.entries(expected)) {
		const lines = digits.match(/.{1,64}/g);
		console.log(lines.length === 1 ? `${name} = ${lines[0]}` : `${name} =\n\t${lines.join("\n\t")}`);
	}
