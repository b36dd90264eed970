/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/utsname.h>

#include "lib/facts.h"
#include "lib/text.h"
#include "lib/version.h"

#define MACHINE_ID_DIGITS 32
#define FILE_MAX          4096

/* Copies the printable characters of len bytes, as many as fit. */
static void take(const char *text, size_t len, char *ret, size_t size)
{
	size_t used = 0;

	for (size_t at = 0; at < len;) {
		size_t end = at + 1;

		/* A character ends before the next byte that doesn't continue it. */
		while (end < len && ((uint8_t)text[end] & 0xc0) == 0x80)
			end++;
		if (text_printable(text + at, end - at)) {
			if (used + (end - at) >= size)
				break;
			memcpy(ret + used, text + at, end - at);
			used += end - at;
		}
		at = end;
	}
	ret[used] = '\0';
}

/* The start of a file of the system, whose links are the system's own and followed. */
static void read_start(const char *path, char ret[static FILE_MAX])
{
	scoped(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t len = fd < 0 ? 0 : read(fd, ret, FILE_MAX - 1);

	ret[len > 0 ? len : 0] = '\0';
}

/* Takes the shell's quotes off a value of os-release(5), in place. */
static size_t unquote(char *value, size_t len)
{
	char quote = len > 0 && (*value == '"' || *value == '\'') ? *value : '\0';
	size_t used = 0;

	for (size_t i = quote ? 1 : 0; i < len && !(quote && value[i] == quote); i++) {
		if (value[i] == '\\' && quote != '\'' && i + 1 < len)
			i++;
		value[used++] = value[i];
	}
	return used;
}

void facts_os_name(char *os_release, char *ret, size_t size)
{
	static const char key[] = "PRETTY_NAME=";
	char *line = os_release;

	*ret = '\0';
	while (*line != '\0') {
		size_t len = strcspn(line, "\n");
		char *value = line + strlen(key);

		if (strncmp(line, key, strlen(key)) == 0)
			take(value, unquote(value, len - strlen(key)), ret, size);
		line += len;
		line += *line == '\n';
	}
}

static void gather_os(struct facts *f)
{
	char text[FILE_MAX];

	read_start("/etc/os-release", text);
	if (*text == '\0')
		read_start("/usr/lib/os-release", text);
	facts_os_name(text, f->os, sizeof f->os);
}

void facts_hash_machine(const char *machine_id, uint8_t ret[static MACHINE_HASH_SIZE])
{
	static const char key[] = "muster machine-id 1";

	crypto_generichash(ret, MACHINE_HASH_SIZE, (const uint8_t *)machine_id, strlen(machine_id),
		(const uint8_t *)key, strlen(key));
}

static void gather_machine(struct facts *f)
{
	char text[FILE_MAX];

	read_start("/etc/machine-id", text);
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) == MACHINE_ID_DIGITS &&
		strspn(text, "0123456789abcdef") == MACHINE_ID_DIGITS)
		facts_hash_machine(text, f->machine);
	sodium_memzero(text, sizeof text);
}

void facts_gather(struct facts *ret)
{
	struct utsname name;

	memset(ret, 0, sizeof *ret);
	if (uname(&name) == 0) {
		take(name.nodename, strlen(name.nodename), ret->hostname, sizeof ret->hostname);
		take(name.release, strlen(name.release), ret->kernel, sizeof ret->kernel);
		take(name.machine, strlen(name.machine), ret->arch, sizeof ret->arch);
	}
	take(muster_version, strlen(muster_version), ret->version, sizeof ret->version);
	gather_os(ret);
	gather_machine(ret);
}

void facts_write(struct writer *w, const struct facts *f)
{
	write_text(w, f->hostname);
	write_text(w, f->os);
	write_text(w, f->kernel);
	write_text(w, f->arch);
	write_text(w, f->version);
	write_bytes(w, f->machine, sizeof f->machine);
}

void facts_read(struct reader *r, struct facts *ret)
{
	memset(ret, 0, sizeof *ret);
	read_text(r, ret->hostname, sizeof ret->hostname);
	read_text(r, ret->os, sizeof ret->os);
	read_text(r, ret->kernel, sizeof ret->kernel);
	read_text(r, ret->arch, sizeof ret->arch);
	read_text(r, ret->version, sizeof ret->version);
	read_bytes(r, ret->machine, sizeof ret->machine);
}
