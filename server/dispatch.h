/* SPDX-License-Identifier: MIT */
/*
 * Packets of machines to their handlers. One table says which op code is allowed of whom and when,
 * and who takes it. Refused are, in this order: an op code that there is not, one that is not
 * allowed there and then, and what session_open() refuses; each ends the channel.
 */
#ifndef MUSTER_DISPATCH_H
#define MUSTER_DISPATCH_H

#include "channel.h"

/* One packet, without its frame's head. Where the store is shared its message may be taken later,
 * in order. Negative: the channel must end. */
int dispatch_packet(struct channel *c, const uint8_t *packet, size_t len) must_use;

/* Somebody has sent what no machine sends, so there is nobody to answer to: it is counted and
 * logged. Returns -EPROTO. */
int dispatch_breach(const struct channel *c, const char *what, const char *why) must_use;

#endif
