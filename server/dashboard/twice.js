// SPDX-License-Identifier: MIT
// A network that changes takes along what is under way. What only reads is done once more then, after a moment.

const PAUSE = 300; // milliseconds

export async function twice(read) {
	try {
		return await read();
	} catch (error) {
		if (error.name === "AbortError")
			throw error;
	}
	await new Promise((done) => setTimeout(done, PAUSE));
	return read();
}
