/* SPDX-License-Identifier: MIT */
#include "lib/line.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <string.h>

#include "lib/tlscontext.h"

/* Whatever is in the text comes from libcurl or a peer too: bytes that could do something to a
 * terminal or a log become '?'. */
int line_fail(struct uplink_error *ret, enum uplink_failure failure, const char *format, ...)
{
	va_list values;

	*ret = (struct uplink_error){ .failure = failure };
	va_start(values, format);
	(void)vsnprintf(ret->text, sizeof ret->text, format, values);
	va_end(values);
	for (char *c = ret->text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return -EIO;
}

int line_fail_local(struct uplink_error *ret, const char *what, int error)
{
	return line_fail(ret, UPLINK_LOCAL, "%s: %s", what, strerror(error));
}

static int fail_pin(struct uplink_error *ret, const char *server)
{
	return line_fail(ret, UPLINK_PIN,
		"%s shows another TLS key than the pinned one, so nothing was sent: it is another "
		"server, someone is in between, or the server has a new key (ask its administrator "
		"for the pin)",
		server);
}

int line_fail_canceled(struct uplink_error *ret)
{
	(void)line_fail(ret, UPLINK_CANCELED, "stopped");
	return -ECANCELED;
}

/* What libcurl's result means. */
static enum uplink_failure failure_of(const struct line *l, CURLcode result)
{
	long tunnel = 0;

	(void)curl_easy_getinfo(l->curl, CURLINFO_HTTP_CONNECTCODE, &tunnel);
	if (l->wrong_pin)
		return UPLINK_PIN;
	if (tunnel != 0 && tunnel / 100 != 2)
		return UPLINK_PROXY;
	switch ((int)result) { /* an enum of some hundred values: only these mean something here */
	case CURLE_COULDNT_RESOLVE_HOST:
		return UPLINK_NO_NAME;
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
		return UPLINK_UNREACHABLE;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_PROXY:
		return UPLINK_PROXY;
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		return UPLINK_PIN;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CIPHER:
		return UPLINK_TLS;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_HTTP_RETURNED_ERROR:
		return UPLINK_HTTP;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
		/* Only a proxy is spoken to before the TLS session stands. */
		return l->judged ? UPLINK_LOST : UPLINK_PROXY;
	case CURLE_ABORTED_BY_CALLBACK:
		return l->cancel && *l->cancel ? UPLINK_CANCELED : UPLINK_LOCAL;
	default:
		return UPLINK_LOCAL;
	}
}

int line_fail_curl(struct uplink_error *ret, const struct line *l, CURLcode result)
{
	enum uplink_failure failure = failure_of(l, result);
	const char *why = l->why[0] ? l->why : curl_easy_strerror(result);

	switch (failure) {
	case UPLINK_NO_NAME:
		return line_fail(ret, failure,
			"cannot find the address of %s (%s): check the name and "
			"this machine's DNS",
			l->server, why);
	case UPLINK_UNREACHABLE:
		return line_fail(ret, failure,
			"cannot reach %s (%s): check that the server runs and "
			"that no firewall is in the way",
			l->server, why);
	case UPLINK_PROXY:
		return line_fail(ret, failure,
			"the proxy does not lead to %s (%s): check its address "
			"and whether it allows CONNECT to there",
			l->server, why);
	case UPLINK_TLS:
		return line_fail(ret, failure,
			"no TLS 1.3 connection with %s (%s): check that it is a "
			"muster server's port",
			l->server, why);
	case UPLINK_PIN:
		return fail_pin(ret, l->server);
	case UPLINK_HTTP:
		return line_fail(ret, failure, "%s answers, but not as a muster server does (%s)",
			l->server, why);
	case UPLINK_LOST:
		return line_fail(ret, failure, "%s ended the connection (%s)", l->server, why);
	case UPLINK_CANCELED:
		return line_fail_canceled(ret);
	case UPLINK_LOCAL:
		break;
	}
	return line_fail(ret, UPLINK_LOCAL, "cannot talk to %s: %s", l->server, why);
}

static bool is_pinned(const struct line *l, SSL *ssl)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);

	return certificate && pins_fit(&l->pins, certificate);
}

/* libcurl calls this when the connection stands and before it sends a byte of a request. It has
 * compared the pin by then, but would let a server without a certificate pass when it isn't told to
 * verify one; and only here a connect-only transfer's TLS session can be had. */
static int judge(void *userdata, char *peer, char *local, int peer_port, int local_port)
{
	struct line *l = userdata;
	struct curl_tlssessioninfo *info = NULL;
	SSL *ssl;

	(void)peer, (void)local, (void)peer_port, (void)local_port;
	if (curl_easy_getinfo(l->curl, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || !info ||
		!info->internals)
		return CURL_PREREQFUNC_ABORT;
	ssl = info->internals;
	l->wrong_pin = !is_pinned(l, ssl);
	if (l->wrong_pin || SSL_version(ssl) != TLS1_3_VERSION)
		return CURL_PREREQFUNC_ABORT;
	if (tlscontext_binding(ssl, l->binding) < 0)
		return CURL_PREREQFUNC_ABORT;
	l->judged = true;
	return CURL_PREREQFUNC_OK;
}

/* The key goes to OpenSSL as it is: no PEM text of it is made. Writes may be partial and be
 * repeated from another address, since the out buffer moves when it grows. */
static CURLcode set_context(CURL *curl, void *context, void *userdata)
{
	struct line *l = userdata;
	SSL_CTX *ctx = context;

	(void)curl;
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (l->tls && (SSL_CTX_use_certificate(ctx, l->tls->certificate) != 1 ||
			      SSL_CTX_use_PrivateKey(ctx, l->tls->key) != 1))
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

int line_progress(
	void *userdata, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up_done)
{
	const struct line *l = userdata;

	(void)total, (void)done, (void)up_total, (void)up_done;
	return l->cancel && *l->cancel;
}

static CURLcode set_tls(struct line *l, const char *pins)
{
	CURLcode r = CURLE_OK;

	LINE_SET(r, l, CURLOPT_SSLVERSION,
		(long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3));
	LINE_SET(r, l, CURLOPT_PINNEDPUBLICKEY, pins);
	LINE_SET(r, l, CURLOPT_SSL_VERIFYPEER,
		0L); /* the pin is the judge: self-signed is as good */
	LINE_SET(r, l, CURLOPT_SSL_VERIFYHOST, 0L);
	LINE_SET(r, l, CURLOPT_SSL_EC_CURVES, "X25519:P-256");
	LINE_SET(r, l, CURLOPT_SSL_SESSIONID_CACHE, 0L);
	LINE_SET(r, l, CURLOPT_SSL_CTX_FUNCTION, set_context);
	LINE_SET(r, l, CURLOPT_SSL_CTX_DATA, l);
	LINE_SET(r, l, CURLOPT_PREREQFUNCTION, judge);
	LINE_SET(r, l, CURLOPT_PREREQDATA, l);
	return r;
}

static CURLcode set_rest(struct line *l, const struct uplink_options *o, const char *path)
{
	char url[LINE_SERVER_SIZE + 256];
	CURLcode r = CURLE_OK;

	if ((size_t)snprintf(url, sizeof url, "https://%s%s", o->server, path) >= sizeof url)
		return CURLE_URL_MALFORMAT;
	LINE_SET(r, l, CURLOPT_ERRORBUFFER, l->why);
	LINE_SET(r, l, CURLOPT_URL, url);
	LINE_SET(r, l, CURLOPT_PATH_AS_IS, 1L);
	LINE_SET(r, l, CURLOPT_PROTOCOLS_STR, "https");
	LINE_SET(r, l, CURLOPT_FOLLOWLOCATION, 0L);
	LINE_SET(r, l, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	LINE_SET(r, l, CURLOPT_USERAGENT, "muster/" MUSTER_VERSION);
	LINE_SET(r, l, CURLOPT_FRESH_CONNECT, 1L);
	LINE_SET(r, l, CURLOPT_DNS_CACHE_TIMEOUT,
		0L); /* a changed address is seen at the next attempt */
	LINE_SET(r, l, CURLOPT_CONNECTTIMEOUT,
		(long)(o->connect_timeout ? o->connect_timeout : LINE_TIMEOUT));
	LINE_SET(r, l, CURLOPT_NOSIGNAL, 1L);
	LINE_SET(r, l, CURLOPT_TCP_NODELAY, 1L);
	LINE_SET(r, l, CURLOPT_TCP_KEEPALIVE, 1L);
	LINE_SET(r, l, CURLOPT_NOPROGRESS, 0L);
	LINE_SET(r, l, CURLOPT_XFERINFOFUNCTION, line_progress);
	LINE_SET(r, l, CURLOPT_XFERINFODATA, l);
	if (o->proxy)
		LINE_SET(r, l, CURLOPT_PROXY, o->proxy);
	return r;
}

void line_close(struct line *l)
{
	curl_easy_cleanup(l->curl);
	l->curl = NULL;
	OPENSSL_cleanse(l->binding, sizeof l->binding);
}

/* l must stay where it is: libcurl keeps pointers to it. */
int line_prepare(struct line *l, const struct uplink_options *o, const char *path)
{
	CURLcode r;

	if (uplink_check_server(o->server) < 0 || pins_add(&l->pins, o->pins) < 0)
		return -EINVAL;
	(void)snprintf(l->server, sizeof l->server, "%s", o->server);
	l->tls = o->tls;
	l->cancel = o->cancel;
	l->curl = curl_easy_init();
	if (!l->curl)
		return -ENOMEM;
	r = set_tls(l, o->pins);
	r = r ? r : set_rest(l, o, path);
	if (r == CURLE_OK)
		return 0;
	line_close(l);
	return r == CURLE_OUT_OF_MEMORY ? -ENOMEM : r == CURLE_URL_MALFORMAT ? -EINVAL : -ENOTSUP;
}
