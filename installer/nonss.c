/* SPDX-License-Identifier: MIT */

/*
 * Replaces, in the static programs, what in glibc would load NSS modules made for another glibc at
 * run time: a static program that does so breaks on any system but the one it was built on. Names
 * are resolved by c-ares. What is here is referenced but never needed: by OpenSSL
 * (BIO_gethostbyname, engines), by c-ares (names of services) and by sd-bus (buses of other users
 * and machines). All of it fails in the way its manual page allows; users and groups are never
 * found.
 *
 * Linked last, as libnonss.a, with -Wl,--wrap=dlopen: a definition can't replace glibc's own
 * dlopen(), since other parts of libc.a need its object file. The linker then has nothing left to
 * warn of.
 */

#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stddef.h>

#define unused __attribute__((unused))

void *__wrap_dlopen(const char *file, int mode);

void *__wrap_dlopen(unused const char *file, unused int mode)
{
	errno = ENOSYS;
	return NULL;
}

int getaddrinfo(unused const char *restrict node, unused const char *restrict service,
	unused const struct addrinfo *restrict hints, unused struct addrinfo **restrict ret)
{
	return EAI_FAIL;
}

void freeaddrinfo(unused struct addrinfo *list)
{
}

int getnameinfo(unused const struct sockaddr *restrict address, unused socklen_t size,
	unused char *restrict host, unused socklen_t host_size, unused char *restrict service,
	unused socklen_t service_size, unused int flags)
{
	return EAI_FAIL;
}

struct hostent *gethostbyname(unused const char *name)
{
	h_errno = NO_RECOVERY;
	return NULL;
}

struct servent *getservbyname(unused const char *name, unused const char *protocol)
{
	return NULL;
}

int getservbyname_r(unused const char *restrict name, unused const char *restrict protocol,
	unused struct servent *restrict entry, unused char *restrict buffer, unused size_t size,
	struct servent **restrict ret)
{
	*ret = NULL;
	return ENOENT;
}

int getservbyport_r(unused int port, unused const char *restrict protocol,
	unused struct servent *restrict entry, unused char *restrict buffer, unused size_t size,
	struct servent **restrict ret)
{
	*ret = NULL;
	return ENOENT;
}

struct passwd *getpwnam(unused const char *name)
{
	errno = ENOENT;
	return NULL;
}

int getpwnam_r(unused const char *restrict name, unused struct passwd *restrict entry,
	unused char *restrict buffer, unused size_t size, struct passwd **restrict ret)
{
	*ret = NULL;
	return ENOENT;
}

struct passwd *getpwuid(unused uid_t uid)
{
	errno = ENOENT;
	return NULL;
}

int getpwuid_r(unused uid_t uid, unused struct passwd *restrict entry, unused char *restrict buffer,
	unused size_t size, struct passwd **restrict ret)
{
	*ret = NULL;
	return ENOENT;
}

struct group *getgrnam(unused const char *name)
{
	errno = ENOENT;
	return NULL;
}

int getgrnam_r(unused const char *restrict name, unused struct group *restrict entry,
	unused char *restrict buffer, unused size_t size, struct group **restrict ret)
{
	*ret = NULL;
	return ENOENT;
}

struct group *getgrgid(unused gid_t gid)
{
	errno = ENOENT;
	return NULL;
}

int getgrgid_r(unused gid_t gid, unused struct group *restrict entry, unused char *restrict buffer,
	unused size_t size, struct group **restrict ret)
{
	*ret = NULL;
	return ENOENT;
}
