/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "lib/secret.h"

/* One write a line: lines of many processes stay whole. */
void note(const struct connection *c, const char *format, ...)
{
	char line[512];
	int n = snprintf(line, sizeof line, "%u ", c->number);
	va_list values;

	va_start(values, format);
	n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, values);
	va_end(values);
	line[n++] = '\n';
	(void)!write(STDOUT_FILENO, line, (size_t)n);
}

_Noreturn void die(const char *what, int error)
{
	fprintf(stderr, "hostile: %s: %s\n", what, strerror(error < 0 ? -error : error));
	exit(1);
}

_Noreturn void finish(struct connection *c, bool reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (reset)
		(void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	else if (c->ssl)
		(void)SSL_shutdown(c->ssl);
	note(c, "closed %llu", (unsigned long long)c->heard);
	_exit(0);
}

/* Until the peer goes; what it says meanwhile is read and counted, so that its end is seen. */
static _Noreturn void hang(struct connection *c)
{
	char rest[4096];

	if (c->ssl && SSL_is_init_finished(c->ssl)) {
		int n;

		while ((n = SSL_read(c->ssl, rest, sizeof rest)) > 0)
			c->heard += (uint64_t)n;
	} else {
		while (read(c->fd, rest, sizeof rest) > 0)
			continue;
	}
	note(c, "peer left");
	finish(c, true);
}

/* So often, and then no more. */
static bool misbehaves_at(const struct connection *c, enum step step)
{
	if (mode_row(c->h->mode)->argument != A_STEP || c->h->step != step)
		return false;
	return c->h->client->times > 0 && c->h->client->times-- > 0;
}

void at(struct connection *c, enum step step)
{
	note(c, "at %s", step_name(step));
	if (!misbehaves_at(c, step))
		return;
	if (c->h->mode == MODE_HANG_AT)
		hang(c);
	if (c->h->mode != MODE_PAUSE_AT)
		finish(c, c->h->mode == MODE_CLOSE_AT);
	while (!c->h->client->resumed)
		(void)usleep(5000);
}

void say(struct connection *c, const void *data, size_t len)
{
	bool cut = c->h->mode == MODE_RESET_AFTER && c->said + len >= (uint64_t)c->h->number;

	if (cut)
		len = (size_t)((uint64_t)c->h->number - c->said);
	if (len > 0 && SSL_write(c->ssl, data, (int)len) <= 0)
		finish(c, true);
	c->said += len;
	if (cut)
		finish(c, true);
}

void say_random(struct connection *c, size_t len)
{
	uint8_t bytes[4096];

	random_bytes(bytes, len);
	say(c, bytes, len);
}

void say_head(struct connection *c, const char *status, const char *headers)
{
	char head[512];
	int n = snprintf(head, sizeof head, "HTTP/1.1 %s\r\n%s\r\n", status, headers);

	say(c, head, (size_t)n);
}

/* At least one byte; ends this process when the peer has gone. */
size_t hear(struct connection *c, void *ret, size_t size)
{
	int n = SSL_read(c->ssl, ret, (int)size);

	if (n <= 0)
		finish(c, false);
	c->heard += (uint64_t)n;
	return (size_t)n;
}

void shake_hands(struct connection *c)
{
	X509 *certificate;

	c->ssl = SSL_new(c->h->context);
	if (!c->ssl || SSL_set_fd(c->ssl, c->fd) != 1)
		die("TLS", ENOMEM);
	if (SSL_accept(c->ssl) != 1) {
		note(c, "no handshake");
		finish(c, false);
	}
	certificate = SSL_get1_peer_certificate(c->ssl);
	c->has_pin = certificate && pin_of_certificate(certificate, c->pin) == 0;
	X509_free(certificate);
}
