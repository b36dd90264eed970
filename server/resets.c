/* SPDX-License-Identifier: MIT */
#include "resets.h"

#include <errno.h>
#include <sodium.h>

#include "changes.h"
#include "dialer.h"
#include "log.h"
#include "server.h"
#include "store/resets.h"

/* An agent that was started by this very connection waits ten seconds, and systemd three. */
#define BACK_SECONDS 15

int resets_due(struct channel *c)
{
	struct reset_record wanted;
	struct reset_order order;
	uint8_t body[32];
	ssize_t len;
	int r;

	if (!c->connected || c->suspended || c->reset.sequence != 0)
		return 0;
	r = store_reset_get(c->server->store, c->id, &wanted);
	if (r == -ENOENT || (r == 0 && wanted.state != RESET_WANTED))
		return 0;
	if (r < 0)
		return channel_store_failed(c, r);
	order = (struct reset_order){ .number = wanted.number };
	len = reset_order_encode(&order, body, sizeof(body));
	if (len < 0)
		return (int)len;
	c->reset.number = wanted.number;
	if (c->dialled)
		dialer_tell_after(c->server, c->id, BACK_SECONDS);
	return channel_send(c, OP_RESET, body, (size_t)len, &c->reset.sequence);
}

void resets_forget(struct channel *c)
{
	c->reset.sequence = 0;
}

static void log_answer(const struct channel *c, uint16_t code, const char *text)
{
	char id[CLIENT_ID_TEXT_SIZE];

	sodium_bin2hex(id, sizeof(id), c->id, CLIENT_ID_SIZE);
	if (code == 0)
		log_info("the agent of machine %s has restarted", id);
	else
		log_warning(
			"the agent of machine %s can't restart: %s: %s", id, nack_name(code), text);
}

int resets_answer(struct channel *c, uint64_t sequence, uint16_t code, const char *text)
{
	int r;

	if (c->reset.sequence == 0 || sequence != c->reset.sequence)
		return 0;
	if (turn_enter(c->server->turn) < 0)
		return -EIO; /* it is sent again on the next connection */
	r = store_reset_answer(c->server->store, c->id, c->reset.number, code, text);
	resets_forget(c);
	if (r < 0)
		return channel_store_failed(c, r);
	if (r > 0) {
		log_answer(c, code, text);
		changes_tell_client(c->server, CHANGE_CLIENTS, c->id);
	}
	return 1;
}
