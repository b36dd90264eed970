/* SPDX-License-Identifier: MIT */
/*
 * What was asked: a request's parameters and the fields of its body. A reader that finds a mistake
 * has refused the request already and returns false; then the handler just returns.
 */
#ifndef MUSTER_READ_H
#define MUSTER_READ_H

#include "api.h"
#include "lib/label.h"

struct param {
	const char *name;
	char value[SELECTOR_SIZE]; /* "" if it is not there */
	bool given;
};

/* The query's parameters, decoded; others than these, or one twice, are refused. */
bool read_query(struct api_call *c, struct param *params, size_t count) must_use;
/* A parameter as a number; fallback if it is not given. */
bool read_number(struct api_call *c, const struct param *p, uint64_t min, uint64_t max,
	uint64_t fallback, uint64_t *ret) must_use;

/* No other fields than these (up to a NULL) in the body. */
bool read_fields(struct api_call *c, const char *const *names) must_use;
/* *ret is NULL if the field isn't there, or null. */
bool read_string(struct api_call *c, const char *field, size_t size, const char **ret) must_use;
bool read_bool(struct api_call *c, const char *field, bool *ret) must_use; /* absent: false */
/* A whole number; *ret stays what it is if the field isn't there, or null. */
bool read_integer(struct api_call *c, const char *field, uint64_t min, uint64_t max, uint64_t *ret)
	must_use;
bool read_labels(struct api_call *c, const char *field, struct labels *ret) must_use;

/* Field "role"; there must be one. */
bool read_role(struct api_call *c, enum role *ret) must_use;

/* A list of labels that each take the place of the one of their key in *l; a list of keys of labels
 * that are taken out of it. */
bool read_labels_put(struct api_call *c, const char *field, struct labels *l) must_use;
bool read_labels_drop(struct api_call *c, const char *field, struct labels *l) must_use;

#endif
