/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "lib/line.h"

#define STALL 30 /* seconds without a byte, then a download is given up */

struct download {
	struct line line;
	int fd;
	uint64_t done;
	uint64_t limit;
	bool too_long;
	int error; /* errno of a write */
	uplink_progress progress;
	void *userdata;
};

/* A body that is not the file asked for, such as an error's page, is not written. */
static size_t save(char *data, size_t one, size_t len, void *userdata)
{
	struct download *d = userdata;
	long status = 0;
	size_t done = 0;

	(void)one; /* always 1 */
	(void)curl_easy_getinfo(d->line.curl, CURLINFO_RESPONSE_CODE, &status);
	d->too_long |= len > d->limit - d->done;
	if (status != 200 || d->too_long)
		return 0;
	while (done < len) {
		ssize_t n = write(d->fd, data + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			d->error = errno;
			return 0;
		}
		done += (size_t)n;
	}
	d->done += len;
	return len;
}

static int show_progress(
	void *userdata, curl_off_t total, curl_off_t done, curl_off_t up_total, curl_off_t up_done)
{
	struct download *d = userdata;

	if (d->progress && total > 0)
		d->progress(d->userdata, (uint64_t)done, (uint64_t)total);
	return line_progress(&d->line, total, done, up_total, up_done);
}

static CURLcode set_download(struct download *d)
{
	struct line *l = &d->line;
	CURLcode r = CURLE_OK;

	LINE_SET(r, l, CURLOPT_HTTPGET, 1L);
	LINE_SET(r, l, CURLOPT_FORBID_REUSE, 1L);
	LINE_SET(r, l, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)d->limit);
	LINE_SET(r, l, CURLOPT_LOW_SPEED_LIMIT, 1L);
	LINE_SET(r, l, CURLOPT_LOW_SPEED_TIME, (long)STALL);
	LINE_SET(r, l, CURLOPT_WRITEFUNCTION, save);
	LINE_SET(r, l, CURLOPT_WRITEDATA, d);
	LINE_SET(r, l, CURLOPT_XFERINFOFUNCTION, show_progress);
	LINE_SET(r, l, CURLOPT_XFERINFODATA, d);
	return r;
}

static int judge_download(
	struct download *d, const char *path, CURLcode result, struct uplink_error *ret_error)
{
	const struct line *l = &d->line;
	long status = 0;

	(void)curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
	if (d->error)
		return line_fail_local(ret_error, "cannot save what is downloaded", d->error);
	if (d->too_long || result == CURLE_FILESIZE_EXCEEDED)
		return line_fail(ret_error, UPLINK_HTTP, "%s sends more than %llu bytes for %s",
			l->server, (unsigned long long)d->limit, path);
	if (status != 0 && status != 200 && (result == CURLE_OK || result == CURLE_WRITE_ERROR)) {
		(void)line_fail(ret_error, UPLINK_HTTP, "%s answers %ld to GET %s", l->server,
			status, path);
		ret_error->status = (unsigned)status;
		return -EIO;
	}
	return result == CURLE_OK ? 0 : line_fail_curl(ret_error, l, result);
}

int uplink_download(const struct uplink_options *o, const char *path, int fd, uint64_t limit,
	uplink_progress progress, void *userdata, struct uplink_error *ret_error)
{
	struct download d = {
		.fd = fd, .limit = limit, .progress = progress, .userdata = userdata
	};
	int r = line_prepare(&d.line, o, path);

	if (r < 0)
		return line_fail_local(ret_error, "cannot prepare a connection", -r);
	if (lseek(fd, 0, SEEK_SET) < 0 || ftruncate(fd, 0) < 0) {
		r = line_fail_local(ret_error, "cannot save what is downloaded", errno);
	} else {
		CURLcode result = set_download(&d);

		result = result ? result : curl_easy_perform(d.line.curl);
		r = judge_download(&d, path, result, ret_error);
	}
	line_close(&d.line);
	return r;
}
