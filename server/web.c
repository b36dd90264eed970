/* SPDX-License-Identifier: MIT */
#include "web.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "admin/installer.h"
#include "channel.h"
#include "http_answer.h"
#include "lib/packet.h"
#include "log.h"
#include "server.h"
#include "tls.h"

#define CLIENTS  "/clients/"
#define IN_LIMIT (4 * STREAM_SLICE)

#define GET      (1u << HTTP_METHOD_GET)
#define GET_HEAD (GET | 1u << HTTP_METHOD_HEAD)

/* What a route's handler returns when there is no struct web any more. */
#define CHANNEL_STARTED 1

static void web_free(struct web *w)
{
	download_end(&w->download);
	http_parser_free(w->parser);
	buffer_clear(&w->in);
	free(w);
}

static int problem(struct web *w, const struct http_request *r, int status, const char *code,
	const char *detail, const char *headers)
{
	struct buffer *out = stream_out(w->stream);
	size_t before = out->len;
	int error = http_answer_problem(out, status, code, detail, w->keep_alive, headers);

	if (error == 0 && r != NULL && r->method == HTTP_METHOD_HEAD)
		http_answer_cut_body(out, before);
	return error;
}

/* ---- the routes' handlers: each writes its answer into the stream's output */

static int answer_text(struct web *w, const struct http_request *r, const char *content_type,
	const void *data, size_t len, const uint8_t sha256[static 32])
{
	struct download_body body = {
		.content_type = content_type, .sha256 = sha256, .size = len, .data = data
	};

	return download_answer(r, &body, w->keep_alive, stream_out(w->stream), &w->download);
}

static int serve_installer(struct web *w, const struct http_request *r)
{
	struct buffer script = {};
	uint8_t sha256[32];

	int error = installer_render(stream_server(w->stream), NULL, false, &script);
	if (error < 0) {
		log_err(error, "cannot make the installer script");
		error = problem(w, r, 503, "no-installer",
			"This server has no installer script to give now; its log says why.", NULL);
	} else if (EVP_Digest(script.data, script.len, sha256, NULL, EVP_sha256(), NULL) != 1) {
		error = -EIO;
	} else {
		error = answer_text(w, r, "text/x-shellscript", script.data, script.len, sha256);
	}
	buffer_clear(&script);
	return error;
}

static int nothing_offered(struct web *w, const struct http_request *r)
{
	return problem(
		w, r, 404, "not-offered", "This server offers no programs for machines.", NULL);
}

static int serve_manifest(struct web *w, const struct http_request *r)
{
	const struct release *release = &stream_server(w->stream)->release;

	if (release->manifest_text == NULL)
		return nothing_offered(w, r);
	return answer_text(w, r, "text/plain", release->manifest_text, release->manifest_len,
		release->manifest_sha256);
}

static int serve_signature(struct web *w, const struct http_request *r)
{
	const struct release *release = &stream_server(w->stream)->release;

	if (release->signature == NULL)
		return nothing_offered(w, r);
	return answer_text(w, r, "text/plain", release->signature, release->signature_len,
		release->signature_sha256);
}

static int serve_file(struct web *w, const struct http_request *r)
{
	struct release_file *f =
		release_find(&stream_server(w->stream)->release, r->path + strlen(CLIENTS));
	struct download_body body = { .content_type = "application/octet-stream",
		.sha256 = f->sha256,
		.size = f->size,
		.file = f };

	return download_answer(r, &body, w->keep_alive, stream_out(w->stream), &w->download);
}

/* Whose TLS key was shown. 1: *ret; 0: nobody's, anonymous; -ENOENT: a key that is not enrolled. */
static int peer_client(struct stream *s, struct client_record *ret)
{
	uint8_t pin[PIN_SIZE];

	int r = tls_peer_pin(stream_tls(s), pin);
	if (r <= 0)
		return r;
	r = store_client_by_pin(stream_server(s)->store, pin, ret);
	return r < 0 ? r : 1;
}

static int serve_channel(struct web *w, const struct http_request *r)
{
	static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
				     "Upgrade: " PACKET_PROTOCOL "\r\n\r\n";
	static struct client_record client; /* large, and used nowhere beyond this call */

	if (!r->upgrades || !w->keep_alive || strcasecmp(r->upgrade, PACKET_PROTOCOL) != 0)
		return problem(w, r, 426, "upgrade-required",
			"This is a channel for machines: Upgrade: " PACKET_PROTOCOL " is required.",
			"Upgrade: " PACKET_PROTOCOL "\r\n");
	int known = peer_client(w->stream, &client);
	if (known == -ENOENT)
		return problem(w, r, 403, "not-enrolled",
			"The TLS key of this connection belongs to no enrolled machine.", NULL);
	if (known < 0)
		return problem(w, r, 503, "store", "The server can't look that up now.", NULL);
	int error = buffer_append(stream_out(w->stream), answer, strlen(answer));
	if (error < 0)
		return error;
	/* What has come after the request is the channel's. */
	error = channel_start(w->stream, known > 0 ? &client : NULL, w->in.data, w->in.len);
	if (error < 0)
		return error;
	web_free(w);
	return CHANNEL_STARTED;
}

static const struct route {
	const char *path;
	unsigned methods;
	int (*serve)(struct web *w, const struct http_request *r);
} routes[] = {
	{ "/clients/linux", GET_HEAD, serve_installer },
	{ "/clients/manifest", GET_HEAD, serve_manifest },
	{ "/clients/manifest.minisig", GET_HEAD, serve_signature },
	{ "/v1/channel", GET, serve_channel },
};
static const struct route file_route = { CLIENTS, GET_HEAD, serve_file };

static const struct route *find_route(const struct server *s, const char *path)
{
	for (size_t i = 0; i < COUNT(routes); i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	if (strncmp(path, CLIENTS, strlen(CLIENTS)) == 0 &&
		release_find(&s->release, path + strlen(CLIENTS)) != NULL)
		return &file_route;
	return NULL;
}

static int serve(struct web *w, const struct http_request *r)
{
	const struct route *route = find_route(stream_server(w->stream), r->path);

	if (route == NULL)
		return problem(w, r, 404, "not-found",
			"There is nothing of that name. The installer script is /clients/linux.",
			NULL);
	if ((route->methods & 1u << r->method) == 0)
		return problem(w, r, 405, "method", "This can't be asked for by that method.",
			(route->methods & ~GET) != 0 ? "Allow: GET, HEAD\r\n" : "Allow: GET\r\n");
	return route->serve(w, r);
}

/* ---- the stream's events */

static int refuse(struct web *w, int status)
{
	w->keep_alive = false;
	int r = problem(w, NULL, status, "bad-request",
		status == 413 ? "A body is not taken here."
			      : "That is not an HTTP request that muster takes.",
		NULL);
	if (r >= 0)
		stream_finish(w->stream);
	return r;
}

/* An answer has been written to the end. */
static int next_request(struct web *w)
{
	struct server *s = stream_server(w->stream);

	if (!w->keep_alive) {
		stream_finish(w->stream);
		return 0;
	}
	http_parser_next(w->parser);
	stream_deadline(w->stream, DEADLINE_REQUEST, s->config.request_timeout);
	return w->in.len > 0;
}

static int on_step(void *owner)
{
	struct web *w = owner;
	struct stream *stream = w->stream;
	struct buffer *out = stream_out(stream);
	size_t used;

	if (w->download.file != NULL) {
		if (out->len > 0)
			return 1;
		/* Whoever takes its slices in time may take as many as there are. */
		stream_deadline(
			stream, DEADLINE_REQUEST, stream_server(stream)->config.request_timeout);
		int r = download_slice(&w->download, out);
		return r == 0 ? next_request(w) : r;
	}
	if (w->in.len == 0)
		return 0;
	int r = http_parser_feed(w->parser, w->in.data, w->in.len, &used);
	buffer_consume(&w->in, used);
	if (r == 0)
		return 0;
	if (r < 0)
		return refuse(w, -r);
	const struct http_request *request = http_parser_request(w->parser);
	bool rest = w->in.len > 0;
	w->keep_alive = request->keep_alive;
	r = serve(w, request);
	if (r == CHANNEL_STARTED) /* and its packets mostly come later */
		return rest;
	if (r < 0)
		return r;
	return w->download.file != NULL ? 1 : next_request(w);
}

static int on_input(void *owner, const uint8_t *data, size_t len)
{
	struct web *w = owner;

	return buffer_append(&w->in, data, len);
}

static void on_end(void *owner)
{
	web_free(owner);
}

static const struct stream_user web_user = { on_input, on_step, on_end, NULL };

int web_start(struct stream *s)
{
	struct web *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->stream = s;
	w->in.limit = IN_LIMIT;
	int r = http_parser_new(0, &w->parser);
	if (r < 0) {
		free(w);
		return r;
	}
	stream_use(s, &web_user, w);
	stream_deadline(s, DEADLINE_REQUEST, stream_server(s)->config.request_timeout);
	return 0;
}
