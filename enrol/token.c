/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>

#include "enrol/enrol.h"
#include "lib/file.h"
#include "lib/secret.h"

#define TOKEN_TEXT_MAX 256 /* with all the blanks and dashes that people paste */
#define TICK_MS        200

/* The first line, or what there is at the end of input. */
static int read_line(int fd, char *ret, size_t size)
{
	size_t len = 0;

	while (len + 1 < size) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (enrol_signal)
			return -ECANCELED;
		if (poll(&p, 1, TICK_MS) <= 0)
			continue;
		n = read(fd, ret + len, 1);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 || (n == 1 && ret[len] == '\n'))
			break;
		if (n == 1)
			len++;
	}
	ret[len] = '\0';
	return len + 1 < size ? 0 : -EFBIG;
}

/* Not shown while it is typed: terminals are looked at, recorded and scrolled back. */
static int ask_terminal(char *ret, size_t size)
{
	struct termios before, quiet;
	int r;

	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	fputs("Token (16 digits, not shown): ", stderr);
	r = read_line(STDIN_FILENO, ret, size);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	fputc('\n', stderr);
	return r;
}

static int read_file(const char *path, char *ret, size_t size)
{
	scoped(secret_freep) char *text = NULL;
	size_t len;
	int r = file_read_secret(path, size - 1, &text, &len);

	if (r == 0)
		memcpy(ret, text, len + 1);
	return r;
}

static int take_text(struct enrol *e, char *ret)
{
	if (e->options.token_file)
		return read_file(e->options.token_file, ret, TOKEN_TEXT_MAX);
	if (isatty(STDIN_FILENO))
		return ask_terminal(ret, TOKEN_TEXT_MAX);
	return read_line(STDIN_FILENO, ret, TOKEN_TEXT_MAX);
}

static int report_unread(struct enrol *e, int r)
{
	const char *path = e->options.token_file;

	if (r == -ECANCELED)
		return enrol_ended(e);
	if (r == -EFBIG)
		return report_failed(&e->report, EXIT_TOKEN,
			"the token is malformed: it has 16 hexadecimal digits");
	if (r == -EPERM)
		return report_failed(&e->report, EXIT_USAGE,
			"the token file %s may be read by others: chmod 600 and chown root it",
			path);
	return report_failed(&e->report, EXIT_USAGE, "cannot read the token from %s: %s",
		path ? path : "standard input", strerror(-r));
}

int token_read(struct enrol *e)
{
	scoped(secret_freep) char *text = secret_alloc(TOKEN_TEXT_MAX);
	scoped(secret_freep) uint8_t *token = secret_alloc(TOKEN_SIZE);
	int r;

	if (!text || !token)
		return report_failed(&e->report, EXIT_INTERNAL, "no memory for the token");
	r = take_text(e, text);
	if (r < 0)
		return report_unread(e, r);
	if (!*text)
		return report_failed(&e->report, EXIT_TOKEN,
			"there is no token on standard input: give the 16 digits there");
	if (token_parse(text, token) < 0)
		return report_failed(&e->report, EXIT_TOKEN,
			"the token is malformed: it has 16 hexadecimal digits");
	e->token = give(token);
	return 0;
}
