/* SPDX-License-Identifier: MIT */
#include "lib/uplink.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "lib/line.h"
#include "lib/packet.h"
#include "lib/text.h"
#include "lib/tlscontext.h"
#include "lib/upgrade.h"

#define CHUNK      4096        /* bytes read at once */
#define READ_AHEAD (64 * 1024) /* bytes read, then packets are to be taken first */
#define LOOK       200         /* milliseconds between looks at *cancel */

enum stage { CONNECTING, UPGRADING, CHANNEL };

struct uplink {
	struct line line;
	SSL *ssl; /* of an adopted connection, with its socket; NULL: libcurl has both */
	enum stage stage;
	int socket;
	unsigned timeout; /* seconds */
	struct buffer in;
	struct buffer out;
	size_t taken; /* bytes at the front of in that uplink_next_packet() has given out */
	bool unread;  /* reading stopped before the end of what has come */
	bool closed;  /* by the server: nothing more will come */
};

int uplink_global_init(void)
{
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -EIO;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return -EIO;
	/* With CURLOPT_NOSIGNAL libcurl leaves this to us. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	return 0;
}

void uplink_global_end(void)
{
	curl_global_cleanup();
}

int uplink_check_server(const char *server)
{
	static const char name[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
	size_t host = strspn(server, name);
	uint64_t port;

	if (strlen(server) >= LINE_SERVER_SIZE)
		return -EINVAL;
	if (*server == '[') {
		size_t v6 = strspn(server + 1, "0123456789abcdefABCDEF:.");

		if (v6 < 2 || server[1 + v6] != ']')
			return -EINVAL;
		host = v6 + 2;
	} else if (host == 0 || host > 253 || *server == '-' || *server == '.') {
		return -EINVAL;
	}
	if (server[host] != ':' || text_number(server + host + 1, 1, 65535, &port) < 0)
		return -EINVAL;
	return 0;
}

static CURLcode set_channel(struct line *l)
{
	CURLcode r = CURLE_OK;

	/* Not CURLOPT_FORBID_REUSE: it would close the connection as soon as it stands. A
	 * connect-only one is never reused anyway. */
	LINE_SET(r, l, CURLOPT_CONNECT_ONLY, 1L);
	LINE_SET(r, l, CURLOPT_BUFFERSIZE, 1024L); /* libcurl's own, for a proxy's answer at most */
	return r;
}

int uplink_prepare(const struct uplink_options *o, struct uplink **ret)
{
	scoped(uplink_freep) struct uplink *u = calloc(1, sizeof *u);
	int r;

	if (!u)
		return -ENOMEM;
	u->socket = -1;
	u->timeout = o->connect_timeout ? o->connect_timeout : LINE_TIMEOUT;
	r = line_prepare(&u->line, o, "/v1/channel");
	if (r < 0)
		return r;
	if (set_channel(&u->line) != CURLE_OK)
		return -ENOTSUP;
	*ret = give(u);
	return 0;
}

CURL *uplink_handle(struct uplink *u)
{
	return u->line.curl;
}

struct uplink *uplink_free(struct uplink *u)
{
	if (!u)
		return NULL;
	if (u->ssl) {
		(void)SSL_shutdown(u->ssl);
		ERR_clear_error();
		SSL_free(u->ssl);
		closep(&u->socket);
	} else {
		line_close(&u->line);
	}
	buffer_clear(&u->in);
	buffer_clear(&u->out);
	free(u);
	return NULL;
}

void uplink_freep(struct uplink **u)
{
	int keep = errno;

	*u = uplink_free(*u);
	errno = keep;
}

int uplink_adopt(const char *server, SSL *ssl, int fd, struct uplink **ret)
{
	struct uplink *u = calloc(1, sizeof *u);

	if (!u) {
		SSL_free(ssl);
		close(fd);
		return -ENOMEM;
	}
	*u = (struct uplink){ .ssl = ssl, .socket = fd, .stage = CHANNEL };
	(void)snprintf(u->line.server, sizeof u->line.server, "%s", server);
	int r = tlscontext_binding(ssl, u->line.binding);
	if (r < 0) {
		uplink_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

int uplink_upgrade(struct uplink *u, CURLcode result, struct uplink_error *ret_error)
{
	curl_socket_t s = CURL_SOCKET_BAD;
	int r;

	if (result != CURLE_OK || !u->line.judged)
		return line_fail_curl(
			ret_error, &u->line, result ? result : CURLE_SSL_CONNECT_ERROR);
	if (curl_easy_getinfo(u->line.curl, CURLINFO_ACTIVESOCKET, &s) != CURLE_OK ||
		s == CURL_SOCKET_BAD)
		return line_fail(ret_error, UPLINK_LOST, "%s ended the connection", u->line.server);
	r = upgrade_request(u->line.server, &u->out);
	if (r < 0)
		return line_fail_local(ret_error, "cannot make a request", -r);
	u->socket = s;
	u->stage = UPGRADING;
	return 0;
}

int uplink_socket(const struct uplink *u)
{
	return u->socket;
}

bool uplink_wants_write(const struct uplink *u)
{
	return u->out.len > 0;
}

bool uplink_is_channel(const struct uplink *u)
{
	return u->stage == CHANNEL;
}

const uint8_t *uplink_binding(const struct uplink *u)
{
	return u->line.binding;
}

struct buffer *uplink_out(struct uplink *u)
{
	return &u->out;
}

bool uplink_unread(const struct uplink *u)
{
	return u->unread;
}

static void drop_taken(struct uplink *u)
{
	buffer_consume(&u->in, u->taken);
	u->taken = 0;
}

/* As libcurl's results: OK and *ret bytes (0: the server has ended it), AGAIN, or another one. */
static CURLcode judge(const struct uplink *u, int result, size_t *ret)
{
	int error = SSL_get_error(u->ssl, result);

	ERR_clear_error();
	*ret = result > 0 ? (size_t)result : 0;
	if (result > 0 || error == SSL_ERROR_ZERO_RETURN)
		return CURLE_OK;
	return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? CURLE_AGAIN
									     : CURLE_RECV_ERROR;
}

static CURLcode send_some(struct uplink *u, const void *data, size_t len, size_t *ret)
{
	if (!u->ssl)
		return curl_easy_send(u->line.curl, data, len, ret);
	return judge(u, SSL_write(u->ssl, data, len < CHUNK ? (int)len : CHUNK), ret);
}

static CURLcode receive_some(struct uplink *u, void *to, size_t size, size_t *ret)
{
	if (!u->ssl)
		return curl_easy_recv(u->line.curl, to, size, ret);
	return judge(u, SSL_read(u->ssl, to, (int)size), ret);
}

static int fail(const struct uplink *u, CURLcode result, struct uplink_error *ret_error)
{
	if (!u->ssl)
		return line_fail_curl(ret_error, &u->line, result);
	return line_fail(ret_error, UPLINK_LOST, "%s ended the connection", u->line.server);
}

static int flush(struct uplink *u, struct uplink_error *ret_error)
{
	while (u->out.len > 0) {
		size_t n = 0;
		CURLcode r = send_some(u, u->out.data, u->out.len, &n);

		if (r == CURLE_AGAIN)
			return 0;
		if (r != CURLE_OK)
			return fail(u, r, ret_error);
		buffer_consume(&u->out, n);
	}
	return 0;
}

static int fill(struct uplink *u, struct uplink_error *ret_error)
{
	uint8_t chunk[CHUNK];

	u->unread = false;
	while (!u->closed) {
		size_t n = 0;
		CURLcode c;

		u->unread = u->in.len >= READ_AHEAD;
		if (u->unread)
			return 0;
		c = receive_some(u, chunk, sizeof chunk, &n);
		if (c == CURLE_AGAIN)
			return 0;
		if (c != CURLE_OK)
			return fail(u, c, ret_error);
		u->closed = n == 0;
		int r = buffer_append(&u->in, chunk, n);

		if (r < 0)
			return line_fail_local(ret_error, "cannot read from the server", -r);
	}
	return 0;
}

static int refused(
	const struct uplink *u, const struct upgrade_answer *a, struct uplink_error *ret_error)
{
	(void)line_fail(ret_error, UPLINK_HTTP, "%s answers %u%s%s", u->line.server, a->status,
		a->detail[0] ? ": " : ", not as a muster server does", a->detail);
	ret_error->status = a->status;
	memcpy(ret_error->code, a->code, sizeof ret_error->code);
	return -EIO;
}

static int take_answer(struct uplink *u, struct uplink_error *ret_error)
{
	struct upgrade_answer a;
	int r = upgrade_answer(u->in.data, u->in.len, u->closed, &a);

	if (r == 0)
		return 0;
	if (r < 0 && u->in.len == 0)
		return line_fail(ret_error, UPLINK_LOST,
			"%s ended the connection without an answer", u->line.server);
	if (r < 0)
		return line_fail(ret_error, UPLINK_HTTP,
			"%s answers, but not as a muster server does: "
			"check address and port",
			u->line.server);
	if (a.status != 101)
		return refused(u, &a, ret_error);
	buffer_consume(&u->in, a.len);
	u->stage = CHANNEL;
	return 0;
}

/* What came before the end of the connection is given out first. */
int uplink_step(struct uplink *u, struct uplink_error *ret_error)
{
	int r;

	drop_taken(u);
	r = flush(u, ret_error);
	r = r < 0 ? r : fill(u, ret_error);
	if (r < 0)
		return r;
	if (u->stage == UPGRADING) {
		r = take_answer(u, ret_error);
		if (r < 0)
			return r;
	}
	if (u->closed && frame_complete(u->in.data, u->in.len) <= 0)
		return line_fail(ret_error, UPLINK_LOST, "%s ended the connection", u->line.server);
	return 0;
}

int uplink_next_packet(struct uplink *u, const uint8_t **ret, size_t *ret_len)
{
	ssize_t n;

	drop_taken(u);
	if (u->stage != CHANNEL)
		return 0;
	n = frame_complete(u->in.data, u->in.len);
	if (n <= 0)
		return (int)n;
	u->taken = (size_t)n;
	*ret = u->in.data + FRAME_HEAD;
	*ret_len = (size_t)n - FRAME_HEAD;
	return 1;
}

/* ---------------------------------------------------------------- blocking use */

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail with this clock */
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits until the socket is ready or it is time to look again, then steps. */
static int wait_and_step(struct uplink *u, uint64_t until, struct uplink_error *ret_error)
{
	struct pollfd p = { .fd = u->socket, .events = POLLIN };
	uint64_t now = now_ms();

	if (u->line.cancel && *u->line.cancel)
		return line_fail_canceled(ret_error);
	if (now >= until) {
		(void)line_fail(ret_error, UPLINK_LOST, "%s does not answer", u->line.server);
		return -ETIMEDOUT;
	}
	if (uplink_wants_write(u))
		p.events |= POLLOUT;
	if (!u->unread && poll(&p, 1, until - now < LOOK ? (int)(until - now) : LOOK) < 0 &&
		errno != EINTR)
		return line_fail_local(ret_error, "cannot wait for the server", errno);
	return uplink_step(u, ret_error);
}

int uplink_open(const struct uplink_options *o, struct uplink **ret, struct uplink_error *ret_error)
{
	scoped(uplink_freep) struct uplink *u = NULL;
	uint64_t until;
	int r = uplink_prepare(o, &u);

	if (r < 0)
		return line_fail_local(ret_error, "cannot prepare a connection", -r);
	r = uplink_upgrade(u, curl_easy_perform(u->line.curl), ret_error);
	if (r < 0)
		return r;
	until = now_ms() + u->timeout * 1000ull;
	while (!uplink_is_channel(u)) {
		r = wait_and_step(u, until, ret_error);
		if (r < 0)
			return r;
	}
	*ret = give(u);
	return 0;
}

int uplink_send(struct uplink *u, struct session *s, enum op op, const void *body, size_t len,
	unsigned seconds, struct uplink_error *ret_error)
{
	uint64_t until = now_ms() + seconds * 1000ull;
	int r = session_seal(s, op, body, len, &u->out, NULL);

	if (r == 0)
		r = flush(u, ret_error);
	else
		(void)line_fail_local(ret_error, "cannot seal a message", -r);
	while (r == 0 && uplink_wants_write(u))
		r = wait_and_step(u, until, ret_error);
	return r;
}

int uplink_receive(struct uplink *u, struct session *s, struct message *ret, unsigned seconds,
	struct uplink_error *ret_error)
{
	uint64_t until = now_ms() + seconds * 1000ull;

	for (;;) {
		const uint8_t *packet = NULL;
		size_t len = 0;
		int r = uplink_next_packet(u, &packet, &len);

		if (r == 1)
			r = session_open(s, packet, len, ret);
		if (r == 1)
			return 0;
		if (r < 0) {
			(void)line_fail(ret_error, UPLINK_HTTP,
				"%s sent something that is not authentic "
				"or not understood (%s)",
				u->line.server, strerror(-r));
			return r;
		}
		if (packet)
			continue; /* a part of a message */
		r = wait_and_step(u, until, ret_error);
		if (r < 0)
			return r;
	}
}
