/* SPDX-License-Identifier: MIT */
#include "agent/record.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/cursor.h"

#define HEAD_SIZE (4 + RECORD_SUM_SIZE)

ssize_t file_read_at(int fd, void *ret, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)ret + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int file_write_at(int fd, const void *data, size_t len, uint64_t at)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pwrite(fd, (const char *)data + done, len - done, (off_t)(at + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

static void sum_of(const void *data, size_t len, uint8_t ret[static RECORD_SUM_SIZE])
{
	(void)crypto_generichash(
		ret, RECORD_SUM_SIZE, data, len, NULL, 0); /* fails for wrong sizes only */
}

ssize_t record_encode(const struct msg *m, const uint8_t key[static SPOOL_KEY_SIZE],
	uint64_t number, uint8_t *ret, size_t size)
{
	struct writer w = writer_over(ret + HEAD_SIZE, size - HEAD_SIZE);
	ssize_t len;

	write_u64(&w, number);
	write_bytes(&w, key, SPOOL_KEY_SIZE);
	write_u64(&w, m->time);
	write_text(&w, m->type);
	write_bytes(&w, m->text, m->len);
	len = write_end(&w);
	if (len < 0)
		return len;
	uint32_t big = htobe32((uint32_t)len + RECORD_SUM_SIZE);
	memcpy(ret, &big, sizeof big);
	sum_of(ret + HEAD_SIZE, (size_t)len, ret + 4);
	return HEAD_SIZE + len;
}

static int decode(
	const uint8_t *data, size_t len, uint8_t ret_key[static SPOOL_KEY_SIZE], struct msg *ret)
{
	uint8_t sum[RECORD_SUM_SIZE];
	struct reader r = reader_over(data, len);
	const uint8_t *told = read_view(&r, RECORD_SUM_SIZE);

	if (!told)
		return -EBADMSG;
	sum_of(r.at, r.left, sum);
	if (memcmp(sum, told, RECORD_SUM_SIZE) != 0)
		return -EBADMSG;
	ret->number = read_u64(&r);
	read_bytes(&r, ret_key, SPOOL_KEY_SIZE);
	ret->time = read_u64(&r);
	read_text(&r, ret->type, sizeof ret->type);
	ret->len = r.left;
	ret->text = (const char *)read_view(&r, r.left);
	return read_end(&r);
}

ssize_t record_read(int fd, uint64_t at, struct buffer *bytes,
	uint8_t ret_key[static SPOOL_KEY_SIZE], struct msg *ret)
{
	uint32_t len;
	uint8_t *room;
	ssize_t n = file_read_at(fd, &len, sizeof len, at);

	if (n <= 0)
		return n;
	len = be32toh(len);
	if (n < (ssize_t)sizeof len || len > RECORD_MAX - 4)
		return -EBADMSG;
	buffer_clear(bytes);
	room = buffer_reserve(bytes, len ? len : 1);
	if (!room)
		return -ENOMEM;
	n = file_read_at(fd, room, len, at + 4);
	if (n < 0)
		return n;
	buffer_grew(bytes, (size_t)n);
	n = (size_t)n < len ? -EBADMSG : decode(bytes->data, len, ret_key, ret);
	return n < 0 ? n : (ssize_t)len + 4;
}
