/* SPDX-License-Identifier: MIT */
/*
 * What has happened, the newest first: entries of the audit log, messages, receipts. A look passes
 * by so many rows at most and tells where to go on. The manner and the errors are store.h's.
 */
#ifndef MUSTER_STORE_RECENT_H
#define MUSTER_STORE_RECENT_H

#include "configs.h"
#include "messages.h"
#include "words.h"

struct audit_look {
	const char *object; /* NULL: all */
	const char *act;    /* NULL: all; "client." is all that begin so */
	struct words words; /* in actor, act, object or detail */
	uint64_t before;    /* only seqs below it; 0: all */
	uint32_t rows;      /* looked at */
};
/* 1: there may be more, below *ret_last, which is the last row looked at; 0: there are none. A
 * visitor's stop is returned, and *ret_last is then what it was about. */
int store_audit_recent(struct store *s, const struct audit_look *look, audit_visitor visit,
	void *userdata, uint64_t *ret_last) must_use;

struct message_look {
	const uint8_t *client; /* NULL: all */
	const char *type;      /* NULL: all */
	struct words words;    /* in host name, type or text */
	uint64_t since, until; /* received from then on, and before that; 0: whenever */
	uint64_t before;       /* as above, and so are rows and what is returned */
	uint32_t rows;
};
int store_message_recent(struct store *s, const struct message_look *look, message_visitor visit,
	void *userdata, uint64_t *ret_last) must_use;

/* The receipts of one machine below that id (0: all). */
int store_receipt_recent(struct store *s, const uint8_t client[static CLIENT_ID_SIZE],
	uint64_t before, uint32_t limit, receipt_visitor visit, void *userdata) must_use;

/* Refusals that stand, the newest first. */
struct standing_refusal {
	uint8_t client[CLIENT_ID_SIZE];
	char hostname[65];
	char name[CONFIG_NAME_SIZE];
	struct refusal why;
};
typedef int (*refusal_visitor)(void *userdata, const struct standing_refusal *r);
int store_refusal_recent(struct store *s, uint32_t limit, refusal_visitor visit, void *userdata)
	must_use;
int store_refusal_count(struct store *s, uint64_t *ret) must_use;

#endif
