/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "lib/file.h"
#include "lib/manifest.h"
#include "offer.h"

#define SERIAL     7 /* of the manifest that is offered */
#define OLD_SERIAL 3
#define FILE_MAX   (64u << 20)

/* The handshake proves that the client has the key; which keys are taken is judged later. */
static int take_any(int ok, X509_STORE_CTX *store)
{
	(void)ok;
	(void)store;
	return 1;
}

void make_context(struct hostile *h)
{
	int version = h->mode == MODE_TLS12 ? TLS1_2_VERSION : TLS1_3_VERSION;
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context || SSL_CTX_set_min_proto_version(context, version) != 1 ||
		SSL_CTX_set_max_proto_version(context, version) != 1 ||
		SSL_CTX_use_certificate(context, h->tls.certificate) != 1 ||
		SSL_CTX_use_PrivateKey(context, h->tls.key) != 1)
		die("TLS", EINVAL);
	(void)SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER, take_any);
	h->context = context;
}

static const char *below(const char *folder, const char *name)
{
	static char path[4096];

	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

void load_keys(struct hostile *h, const char *state, struct minisign_key **ret_release)
{
	const char *path = below(state, "identity.key");
	int r = 0;

	if (access(path, F_OK) < 0)
		r = identity_generate(&h->identity) ?: identity_save(h->identity, path);
	else
		r = identity_load(path, &h->identity);
	path = below(state, "tls.pem");
	if (r == 0 && access(path, F_OK) < 0)
		r = tlskey_generate(TLSKEY_P256, "muster", &h->tls) ?: tlskey_save(&h->tls, path);
	else if (r == 0)
		r = tlskey_load(path, &h->tls);
	path = below(state, "release.key");
	if (r == 0 && access(path, F_OK) < 0)
		r = minisign_generate(ret_release) ?: minisign_save(*ret_release, path);
	else if (r == 0)
		r = minisign_load(path, ret_release);
	r = r ?: identity_generate(&h->other);
	if (r < 0)
		die(path, r);
}

/* What a client must be told to trust this server. */
void tell_keys(const struct hostile *h, const struct minisign_key *release)
{
	char pin[PIN_TEXT_SIZE], key[IDENTITY_TEXT_SIZE], public[MINISIGN_PUBLIC_TEXT_SIZE];
	struct minisign_public p;

	minisign_public(release, &p);
	pin_format(h->tls.pin, pin);
	identity_public_to_text(identity_public(h->identity), key);
	minisign_public_format(&p, public);
	printf("port %u\npin %s\nserver-key %s\nrelease-key %s\nready\n", h->port, pin, key,
		public);
	(void)fflush(stdout);
}

/* A file that is offered goes into the manifest. */
static void offer(struct manifest *m, const char *files, const char *name, struct bytes *ret)
{
	struct manifest_file *f = &m->files[m->count];
	struct utsname system;
	int r;

	if (uname(&system) < 0)
		die("uname", errno);
	(void)snprintf(f->path, sizeof f->path, "linux/%.20s/%s", system.machine, name);
	r = file_read(below(files, f->path), FILE_MAX, &ret->data, &ret->len);
	if (r < 0)
		die(below(files, f->path), r);
	f->size = ret->len;
	SHA256((uint8_t *)ret->data, ret->len, f->sha256);
	m->count++;
}

void make_manifest(struct hostile *h, const char *files, struct minisign_key *release)
{
	struct manifest m = { .serial = h->mode == MODE_MANIFEST_OLD ? OLD_SERIAL : SERIAL,
		.issued = (uint64_t)time(NULL),
		.version = MUSTER_VERSION };
	struct minisign_key *other = NULL;
	struct buffer text = {};
	int r;

	offer(&m, files, "muster-agent", &h->agent);
	offer(&m, files, "muster-enrol", &h->program);
	r = manifest_print(&m, &text);
	if (r == 0 && h->mode == MODE_MANIFEST_OTHER_KEY)
		r = minisign_generate(&other);
	if (r == 0)
		r = minisign_sign(
			other ? other : release, text.data, text.len, "test", &h->signature.data);
	if (r < 0)
		die("manifest", r);
	h->signature.len = strlen(h->signature.data);
	if (h->mode == MODE_MANIFEST_CHANGED)
		text.data[text.len - 2] ^= 1; /* a digit of a hash */
	h->manifest = (struct bytes){ (char *)text.data, text.len };
	(void)minisign_free(other);
}
