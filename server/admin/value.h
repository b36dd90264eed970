/* SPDX-License-Identifier: MIT */
/* Values of an answer's fields. NULL: no memory, which json_pack() passes on. */
#ifndef MUSTER_VALUE_H
#define MUSTER_VALUE_H

#include <jansson.h>

#include "lib/label.h"

json_t *value_time(uint64_t time);    /* 0: null */
json_t *value_seconds(uint32_t n);    /* 0: null */
json_t *value_said(const char *text); /* of a machine or a person: escaped if not printable */
json_t *value_said_or_null(const char *text);
json_t *value_hex(const uint8_t *data, size_t len);
json_t *value_labels(const struct labels *l);

#endif
