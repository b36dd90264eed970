/* SPDX-License-Identifier: MIT */
#include "prompt.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP };
static volatile sig_atomic_t caught;

static void on_signal(int number)
{
	caught = number;
}

/* Byte by byte: what follows the line is somebody else's to read. */
static bool read_line(char *ret, size_t size)
{
	size_t len = 0;
	bool fits = true;
	char ch;

	while (!caught) {
		ssize_t n = read(STDIN_FILENO, &ch, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || ch == '\n')
			break;
		fits &= ch != '\0' && len + 1 < size;
		if (fits)
			ret[len++] = ch;
	}
	ret[len] = '\0';
	if (!fits || caught)
		explicit_bzero(ret, size);
	return fits && !caught && len > 0;
}

/* Who was started with a signal ignored, by nohup(1) for instance, goes on ignoring it. */
static void catch_signals(struct sigaction before[static COUNT(signals)])
{
	const struct sigaction action = { .sa_handler = on_signal };

	caught = 0;
	for (size_t i = 0; i < COUNT(signals); i++)
		if (sigaction(signals[i], NULL, &before[i]) == 0 && before[i].sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

static void release_signals(const struct sigaction before[static COUNT(signals)])
{
	for (size_t i = 0; i < COUNT(signals); i++)
		sigaction(signals[i], &before[i], NULL);
	if (caught)
		raise(caught);
}

static bool ask(const char *text, const struct termios *shown, char *ret, size_t size)
{
	struct sigaction before[COUNT(signals)];
	struct termios silent = *shown;
	bool read;

	silent.c_lflag &= ~(tcflag_t)ECHO;
	catch_signals(before);
	fprintf(stderr, "%s (not shown): ", text);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
	read = read_line(ret, size);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, shown);
	fputc('\n', stderr);
	release_signals(before);
	return read;
}

bool prompt_hidden(const char *text, char *ret, size_t size)
{
	struct termios shown;
	bool read;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &shown) < 0) {
		caught = 0;
		return read_line(ret, size);
	}
	do
		read = ask(text, &shown, ret, size);
	while (caught == SIGTSTP);
	return read;
}
