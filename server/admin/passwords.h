/* SPDX-License-Identifier: MIT */
/* Passwords in requests: for the routes that take one. */
#ifndef MUSTER_PASSWORDS_H
#define MUSTER_PASSWORDS_H

#include "hasher.h"
#include "read.h"

/* The field's password in its normal form; there must be one, of at least min characters. What is
 * wrong with it is told without it. */
bool read_password(
	struct api_call *c, const char *field, size_t min, char ret[static PASSWORD_SIZE]) must_use;

/* 429: wait so long. */
void refuse_busy(struct api_call *c, uint32_t seconds);

#endif
