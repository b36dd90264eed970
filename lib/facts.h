/* SPDX-License-Identifier: MIT */
/* What a machine tells of itself (muster-protocol(7), "Facts"). */
#ifndef MUSTER_FACTS_H
#define MUSTER_FACTS_H

#include "cursor.h"

#define MACHINE_HASH_SIZE 32

struct facts {
	char hostname[65];
	char os[129];                       /* PRETTY_NAME of os-release(5) */
	char kernel[65];                    /* uname release */
	char arch[33];                      /* uname machine: x86_64, aarch64, ... */
	char version[33];                   /* of muster on the machine */
	uint8_t machine[MACHINE_HASH_SIZE]; /* BLAKE2b-256 of machine-id(5) under the key "muster
					       machine-id 1" */
};

/* Of this machine; what can't be read is empty. Unprintable characters are dropped. */
void facts_gather(struct facts *ret);

/* The parts of it that can be tested: PRETTY_NAME of the text of an os-release(5) file (which is
 * unquoted in place), and the hash of machine-id(5)'s 32 digits. */
void facts_os_name(char *os_release, char *ret, size_t size);
void facts_hash_machine(const char *machine_id, uint8_t ret[static MACHINE_HASH_SIZE]);

void facts_write(struct writer *w, const struct facts *f);
void facts_read(struct reader *r, struct facts *ret);

#endif
