// SPDX-License-Identifier: MIT
//
// node interop.mjs HELPER PAGE: lib/ (behind HELPER) and eciesjs in its default configuration open what the other
// sealed; and the page's test vectors hold outside lib/ too. Prints TAP.
import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { ECIES_CONFIG, PrivateKey, decrypt, encrypt } from "eciesjs";
import { derive, publicKey, vectors } from "./protocol.mjs";
import { expected } from "./vectors.mjs";

const [helper, page] = process.argv.slice(2);
const LONGEST = 438;
const OVERHEAD = 97;

const mine = new PrivateKey(); // eciesjs' end
const theirs = randomBytes(32); // lib/'s end
theirs[0] = 1; // below the group's order

const lib = spawn(helper, [theirs.toString("hex")], { stdio: ["pipe", "pipe", "inherit"] });
const answers = createInterface({ input: lib.stdout })[Symbol.asyncIterator]();

async function ask(request, bytes) {
	lib.stdin.write(bytes ? `${request} ${Buffer.from(bytes).toString("hex")}\n` : `${request}\n`);
	const { value, done } = await answers.next();
	if (done) throw new Error(`lib's end stopped at "${request}"`);
	return value;
}
const hexOf = (answer) => Buffer.from(answer, "hex");
const opensHere = (sealed) => Buffer.from(decrypt(mine.secret, sealed));
const myKey = Buffer.from(mine.publicKey.toBytes(false));
const theirKey = hexOf(await ask("key"));

// Every length, so often: 1,314 packets each way.
const times = (rounds) => Array.from({ length: LONGEST * rounds }, (_, i) => 1 + (i % LONGEST));

function flips(sealed) {
	const bits = [0, 1, 8, 100, 65 * 8, 65 * 8 + 7, 81 * 8, 96 * 8 + 3, OVERHEAD * 8, sealed.length * 8 - 1];
	return bits.map((bit) => {
		const changed = Buffer.from(sealed);
		changed[bit >> 3] ^= 1 << (bit & 7);
		return changed;
	});
}

function withConfig(changes, act) {
	const before = { ...ECIES_CONFIG };
	Object.assign(ECIES_CONFIG, changes);
	try {
		return act();
	} finally {
		Object.assign(ECIES_CONFIG, before);
	}
}

const tests = {
	async "eciesjs is the pinned version in its default configuration"() {
		const read = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url)));
		const pinned = read("./package.json").dependencies.eciesjs;
		assert.match(pinned, /^\d+\.\d+\.\d+$/);
		assert.equal(read("./node_modules/eciesjs/package.json").version, pinned);
		assert.equal(ECIES_CONFIG.ellipticCurve, "secp256k1");
		assert.equal(ECIES_CONFIG.isEphemeralKeyCompressed, false);
		assert.equal(ECIES_CONFIG.isHkdfKeyCompressed, false);
		assert.equal(ECIES_CONFIG.symmetricAlgorithm, "aes-256-gcm");
		assert.equal(ECIES_CONFIG.symmetricNonceLength, 16);
	},
	async "both derive the known key from secret keys 2 and 3"() {
		const [two, three] = [2, 3].map((n) => Buffer.concat([Buffer.alloc(31), Buffer.from([n])]));
		const known = "6f982d63e8590c9d9b5b4c1959ff80315d772edd8f60287c9361d548d5200f82";
		const there = new PrivateKey(two).encapsulate(new PrivateKey(three).publicKey);
		assert.equal(Buffer.from(there).toString("hex"), known);
		assert.equal(derive(two, publicKey(three), publicKey(two)).toString("hex"), known);
	},
	async "what eciesjs seals is laid out as the page says"() {
		const sealed = encrypt(theirKey, Buffer.from("x"));
		assert.equal(sealed.length, OVERHEAD + 1);
		assert.equal(sealed[0], 4);
	},
	async "lib opens what eciesjs sealed: every length from 1 to 438, three times"() {
		for (const length of times(3)) {
			const plain = randomBytes(length);
			const sealed = encrypt(theirKey, plain);
			assert.equal(sealed.length, length + OVERHEAD);
			assert.equal(await ask("open", sealed), plain.toString("hex"), `length ${length}`);
		}
	},
	async "eciesjs opens what lib sealed, each under a new key: every length from 1 to 438"() {
		const seen = new Set();
		for (const length of times(1)) {
			const plain = randomBytes(length);
			assert.equal(await ask("sender", myKey), "ok");
			const sealed = hexOf(await ask("seal", plain));
			assert.equal(sealed.length, length + OVERHEAD);
			assert.deepEqual(opensHere(sealed), plain, `length ${length}`);
			seen.add(sealed.subarray(0, 65).toString("hex"));
		}
		assert.equal(seen.size, LONGEST);
	},
	async "eciesjs opens 876 packets that lib sealed under one key, each on its own: every length, twice"() {
		const keys = new Set();
		const nonces = new Set();
		const packets = [];
		assert.equal(await ask("sender", myKey), "ok");
		for (const length of times(2)) {
			const plain = randomBytes(length);
			const sealed = hexOf(await ask("seal", plain));
			packets.push([plain, sealed]);
			keys.add(sealed.subarray(0, 65).toString("hex"));
			nonces.add(sealed.subarray(65, 81).toString("hex"));
		}
		for (const [plain, sealed] of packets.reverse()) assert.deepEqual(opensHere(sealed), plain);
		assert.equal(keys.size, 1);
		assert.equal(nonces.size, packets.length);
	},
	async "with a bit flipped neither opens it"() {
		const plain = Buffer.from("some plaintext");
		for (const sealed of flips(encrypt(theirKey, plain))) assert.equal(await ask("open", sealed), "refused");
		assert.equal(await ask("sender", myKey), "ok");
		for (const sealed of flips(hexOf(await ask("seal", plain)))) assert.throws(() => opensHere(sealed));
	},
	async "neither opens what was sealed for another"() {
		const other = new PrivateKey();
		const sealed = encrypt(other.publicKey.toBytes(false), Buffer.from("x"));
		assert.equal(await ask("open", sealed), "refused");
		assert.equal(await ask("sender", theirKey), "ok");
		const theirOwn = hexOf(await ask("seal", Buffer.from("x")));
		assert.throws(() => opensHere(theirOwn));
	},
	async "lib refuses every other configuration of eciesjs"() {
		const others = [
			{ isEphemeralKeyCompressed: true },
			{ isHkdfKeyCompressed: true },
			{ symmetricNonceLength: 12 },
			{ symmetricAlgorithm: "xchacha20" },
		];
		for (const changes of others) {
			const sealed = withConfig(changes, () => encrypt(theirKey, Buffer.alloc(100)));
			assert.equal(await ask("open", sealed), "refused", JSON.stringify(changes));
		}
		assert.equal(await ask("open", encrypt(theirKey, Buffer.alloc(100))), "00".repeat(100));
	},
	async "lib refuses an empty plaintext and hybrid forms of the key"() {
		assert.equal(await ask("open", encrypt(theirKey, Buffer.alloc(0))), "refused");
		const sealed = Buffer.from(encrypt(theirKey, Buffer.alloc(1)));
		for (const form of [0, 2, 3, 5, 6, 7]) {
			sealed[0] = form;
			assert.equal(await ask("open", sealed), "refused");
		}
	},
	async "the page has every test vector, and no other"() {
		assert.deepEqual(Object.keys(vectors(page)).sort(), Object.keys(expected).sort());
	},
	async "the page's test vectors come out the same without lib"() {
		const found = vectors(page);
		for (const [name, digits] of Object.entries(expected)) assert.equal(found[name], digits, name);
	},
};

console.log(`1..${Object.keys(tests).length}`);
let failed = 0;
let number = 0;
for (const [name, test] of Object.entries(tests)) {
	number++;
	try {
		await test();
		console.log(`ok ${number} ${name}`);
	} catch (error) {
		failed++;
		console.log(`not ok ${number} ${name}`);
		console.log(`# ${String(error.stack).replaceAll("\n", "\n# ")}`);
	}
}
lib.stdin.end();
process.exitCode = failed > 0 ? 1 : 0;
