/* SPDX-License-Identifier: MIT */
#include "embed.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>
#include <zlib.h>

#define STEP_BYTES 65536

struct program {
	uint8_t sha256[32]; /* of the file that it was made from */
	char *text;
	size_t len;
};

/* The file under way: kept open (release_file_use), for the release may change meanwhile. */
struct work {
	struct release_file *file;
	z_stream z;
	uint64_t read;
	struct buffer packed;
};

struct embed {
	struct program programs[MANIFEST_FILES_MAX];
	size_t count;
	struct work work;
};

int embed_new(struct embed **ret)
{
	struct embed *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*ret = e;
	return 0;
}

static void work_end(struct work *w)
{
	if (!w->file)
		return;
	deflateEnd(&w->z);
	buffer_clear(&w->packed);
	w->file = release_file_done(w->file);
}

static void forget_all(struct embed *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->programs[i].text);
	e->count = 0;
}

struct embed *embed_free(struct embed *e)
{
	if (!e)
		return NULL;
	work_end(&e->work);
	forget_all(e);
	free(e);
	return NULL;
}

bool embed_arch(const struct release_file *f, char ret[static ARCH_SIZE])
{
	static const char start[] = "linux/", end[] = "/muster-enrol";
	const char *arch = f->path + sizeof(start) - 1;
	size_t len = strcspn(arch, "/");

	if (strncmp(f->path, start, sizeof(start) - 1) != 0 || strcmp(arch + len, end) != 0 ||
		len == 0 || len >= ARCH_SIZE)
		return false;
	memcpy(ret, arch, len);
	ret[len] = '\0';
	return true;
}

const char *embed_text(const struct embed *e, const struct release_file *f, size_t *ret_len)
{
	for (size_t i = 0; i < e->count; i++) {
		if (memcmp(e->programs[i].sha256, f->sha256, sizeof(f->sha256)) == 0) {
			*ret_len = e->programs[i].len;
			return e->programs[i].text;
		}
	}
	return NULL;
}

static int work_start(struct work *w, struct release_file *f)
{
	*w = (struct work){ .packed.limit = 1u << 30 };
	/* 16 more than the window's bits: gzip's head and end around it. */
	if (deflateInit2(&w->z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	w->file = release_file_use(f);
	return 1;
}

/* 1: more; 0: the file's end is packed. */
static int pack(struct work *w)
{
	uint8_t in[STEP_BYTES];
	ssize_t n = pread(w->file->fd, in, sizeof(in), (off_t)w->read);
	int r;

	if (n < 0 || (n == 0 && w->read < w->file->size))
		return -EIO;
	w->read += (uint64_t)n;
	w->z.next_in = in;
	w->z.avail_in = (uInt)n;
	do {
		uint8_t *room = buffer_reserve(&w->packed, STEP_BYTES);

		if (!room)
			return -ENOMEM;
		w->z.next_out = room;
		w->z.avail_out = STEP_BYTES;
		r = deflate(&w->z, n == 0 ? Z_FINISH : Z_NO_FLUSH);
		buffer_grew(&w->packed, STEP_BYTES - w->z.avail_out);
	} while (w->z.avail_out == 0);
	return r != Z_STREAM_END;
}

static int keep(struct embed *e)
{
	struct work *w = &e->work;
	struct program *p = &e->programs[e->count];
	char *text;

	if (e->count == COUNT(e->programs) || w->packed.len > INT32_MAX / 2)
		return -ENOMEM;
	text = malloc(w->packed.len / 3 * 4 + 5);
	if (!text)
		return -ENOMEM;
	p->len = (size_t)EVP_EncodeBlock((uint8_t *)text, w->packed.data, (int)w->packed.len);
	p->text = text;
	memcpy(p->sha256, w->file->sha256, sizeof(p->sha256));
	e->count++;
	return 1;
}

/* The next one that is not made yet, or NULL. */
static struct release_file *next(const struct embed *e, const struct release *r)
{
	char arch[ARCH_SIZE];
	size_t len;

	for (size_t i = 0; i < r->count; i++)
		if (embed_arch(r->files[i], arch) && !embed_text(e, r->files[i], &len))
			return r->files[i];
	return NULL;
}

int embed_step(struct embed *e, const struct release *release)
{
	struct release_file *f;
	int r;

	if (!e->work.file) {
		f = next(e, release);
		if (!f)
			return 0;
		if (e->count == COUNT(e->programs))
			forget_all(e); /* of former releases */
		return work_start(&e->work, f);
	}
	r = pack(&e->work);
	if (r == 0)
		r = keep(e);
	else if (r > 0)
		return r;
	work_end(&e->work);
	return r;
}
