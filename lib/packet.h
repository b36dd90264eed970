/* SPDX-License-Identifier: MIT */
/*
 * Packets and their framing on a stream (muster-protocol(7), "Packets"):
 *
 *	length (2, big-endian, of what follows) || op (1) || sender public key (65) || nonce (16)
 *	|| tag (16) || encrypted data (1..438)
 */
#ifndef MUSTER_PACKET_H
#define MUSTER_PACKET_H

#include "ecies.h"

#define PACKET_PROTOCOL "muster-packet/1" /* its name, in Upgrade and in ALPN */

#define PACKET_DATA_MAX 438
#define PACKET_HEAD     (1 + ECIES_OVERHEAD) /* 98 */
#define PACKET_MIN      (PACKET_HEAD + 1)
#define PACKET_MAX      (PACKET_HEAD + PACKET_DATA_MAX) /* 536 */
#define FRAME_HEAD      2
#define FRAME_MAX       (FRAME_HEAD + PACKET_MAX)

/* Looks at the start of a stream's unread bytes. The whole frame's length (with its head) if it is
 * complete, 0 if more bytes are needed, -EBADMSG if no packet can have that length (then the stream
 * is unusable). */
ssize_t frame_complete(const uint8_t *data, size_t len) must_use;

#endif
