/* SPDX-License-Identifier: MIT */
#include "remote.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/file.h"
#include "lib/secret.h"
#include "lib/text.h"

#define TOKEN_FILE_MAX 4096

/* An address, or the one name that leads to none but this machine: 127.example does not. */
static bool is_loopback(const char *host)
{
	struct in_addr v4;

	return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
	       (strncmp(host, "127.", 4) == 0 && inet_pton(AF_INET, host, &v4) == 1);
}

static bool part_is(CURLU *url, CURLUPart part, bool (*check)(const char *text))
{
	char *text = NULL;
	bool good = curl_url_get(url, part, &text, 0) == CURLUE_OK && check(text);

	curl_free(text);
	return good;
}

static bool is_https(const char *scheme)
{
	return strcmp(scheme, "https") == 0;
}

static bool is_there(const char *text)
{
	(void)text;
	return true;
}

/* A token that crosses the network in the clear is everybody's. */
static int check_url(const char *text)
{
	CURLU *url = curl_url();
	int r = CTL_OK;

	if (!url || curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
		(strncmp(text, "https://", 8) != 0 && strncmp(text, "http://", 7) != 0) ||
		part_is(url, CURLUPART_USER, is_there) || part_is(url, CURLUPART_QUERY, is_there) ||
		part_is(url, CURLUPART_FRAGMENT, is_there))
		r = complain(CTL_USAGE, "--server: '%s' is not a URL as https://muster.example.org",
			text);
	else if (!part_is(url, CURLUPART_SCHEME, is_https) &&
		 !part_is(url, CURLUPART_HOST, is_loopback))
		r = complain(CTL_USAGE,
			"--server: '%s': the token would go over the network in the clear; "
			"https:// it must be",
			text);
	curl_url_cleanup(url);
	return r;
}

static int set_base(struct remote *r, const char *text)
{
	size_t len = strlen(text);
	int code = check_url(text);

	if (code != CTL_OK)
		return code;
	while (len > 0 && text[len - 1] == '/')
		len--;
	if (len >= sizeof(r->base))
		return complain(CTL_USAGE, "--server: the URL is too long");
	memcpy(r->base, text, len);
	r->base[len] = '\0';
	return CTL_OK;
}

static int set_pin(struct remote *r, const char *text)
{
	uint8_t hash[32];

	if (strncmp(text, "sha256//", 8) != 0 || strlen(text) >= sizeof(r->pin) ||
		text_base64(text + 8, hash, sizeof(hash)) < 0)
		return complain(
			CTL_USAGE, "--pin: '%s' is not sha256// and 44 base64 digits", text);
	strcpy(r->pin, text);
	return CTL_OK;
}

/* The first line of the file. */
static int set_token(struct remote *r, const char *path)
{
	static const char header[] = "Authorization: Bearer ";
	char *text = NULL;
	size_t len = 0, end;
	int e = file_read_secret(path, TOKEN_FILE_MAX, &text, &len);

	if (e == -EPERM)
		return complain(CTL_REFUSED,
			"others may read '%s', or it is another user's: chmod 600, and chown",
			path);
	if (e < 0)
		return complain(
			CTL_FAILED, "cannot read the token's file '%s': %s", path, strerror(-e));
	end = strcspn(text, "\r\n");
	if (strncmp(text, "mst_", 4) != 0 || strspn(text + 4, "0123456789abcdefghijklmnopqrstuvwxyz"
							      "-_") != end - 4) {
		secret_free(text);
		return complain(CTL_USAGE, "'%s' has no API token in its first line", path);
	}
	r->authorization = secret_alloc(sizeof(header) + end);
	if (r->authorization) {
		memcpy(r->authorization, header, sizeof(header) - 1);
		memcpy(r->authorization + sizeof(header) - 1, text, end);
	}
	secret_free(text);
	return r->authorization ? CTL_OK : complain(CTL_FAILED, "no memory");
}

int remote_start(struct ctl *c, struct remote *r)
{
	int code;

	if (!c->server || *r->base)
		return CTL_OK;
	if (!c->token_file)
		return complain(
			CTL_USAGE, "--server takes --token-file: the file with an API token");
	if (secret_init() < 0)
		return complain(CTL_FAILED, "cannot protect secrets in memory");
	code = c->pin ? set_pin(r, c->pin) : CTL_OK;
	if (code == CTL_OK)
		code = set_token(r, c->token_file);
	return code == CTL_OK ? set_base(r, c->server) : code;
}

void remote_end(struct remote *r)
{
	secret_free(r->authorization);
	*r = (struct remote){};
}

/* With a pinned key that key is what counts: the certificate may be anybody's, and self-signed. What
 * is sent in the clear must not leave this machine, as it would through a proxy of the environment.
 */
CURLcode remote_prepare(const struct remote *r, CURL *curl)
{
	CURLcode code = curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");

	if (code == CURLE_OK && strncmp(r->base, "https:", 6) != 0)
		code = curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (code != CURLE_OK || !*r->pin)
		return code;
	code = curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, r->pin);
	if (code == CURLE_OK)
		code = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0l);
	return code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0l) : code;
}

int remote_failed(const struct remote *r, CURLcode code)
{
	if (code == CURLE_SSL_PINNEDPUBKEYNOTMATCH)
		return complain(CTL_UNREACHABLE,
			"%s has another key than the one that --pin names; nothing was sent",
			r->base);
	if (code == CURLE_PEER_FAILED_VERIFICATION)
		return complain(CTL_UNREACHABLE,
			"the certificate of %s can't be verified; nothing was sent", r->base);
	return complain(
		CTL_UNREACHABLE, "no answer from %s: %s", r->base, curl_easy_strerror(code));
}
