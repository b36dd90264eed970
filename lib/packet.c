/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "lib/packet.h"

ssize_t frame_complete(const uint8_t *data, size_t len)
{
	size_t packet;

	if (len < FRAME_HEAD)
		return 0;
	packet = (size_t)data[0] << 8 | data[1];
	if (packet < PACKET_MIN || packet > PACKET_MAX)
		return -EBADMSG;
	return len < FRAME_HEAD + packet ? 0 : (ssize_t)(FRAME_HEAD + packet);
}
