/* SPDX-License-Identifier: MIT */
#include "agent/greeting.h"

#include <sodium.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#define CLOCK_OFF 120 /* seconds */

/* The service's /proc has no more than processes, so its unit passes the boot id on. */
static void gather_boot(uint8_t ret[static 16])
{
	const char *passed = getenv("MUSTER_BOOT_ID");
	sd_id128_t boot;

	if ((passed && sd_id128_from_string(passed, &boot) >= 0) || sd_id128_get_boot(&boot) >= 0)
		memcpy(ret, boot.bytes, sizeof boot.bytes);
}

/* A container has the clock of the machine around it, which was up long before; systemd leaves this
 * file in one. */
static uint64_t uptime(void)
{
	struct timespec up = {};

	if (access("/run/systemd/container", F_OK) == 0)
		return 0;
	(void)clock_gettime(CLOCK_BOOTTIME, &up); /* can't fail with this clock */
	return (uint64_t)up.tv_sec;
}

void greeting_gather(struct hello *ret)
{
	memset(ret, 0, sizeof *ret);
	gather_boot(ret->boot_id);
	ret->uptime = uptime();
	ret->time = (uint64_t)time(NULL);
	facts_gather(&ret->facts);
}

void greeting_check_clock(uint64_t server_time, char ret[static GREETING_ODD_SIZE])
{
	static const struct {
		uint64_t seconds;
		const char *name;
	} units[] = { { 86400, "days" }, { 3600, "hours" }, { 60, "minutes" } };
	uint64_t here = (uint64_t)time(NULL);
	uint64_t off = here > server_time ? here - server_time : server_time - here;
	size_t u = 0;

	ret[0] = '\0';
	if (off <= CLOCK_OFF)
		return;
	while (u + 1 < COUNT(units) && off < 2 * units[u].seconds)
		u++;
	(void)snprintf(ret, GREETING_ODD_SIZE,
		"this machine's clock is %llu %s %s the server's: check its time synchronization",
		(unsigned long long)(off / units[u].seconds), units[u].name,
		here > server_time ? "ahead of" : "behind");
}

void greeting_client_text(
	const uint8_t client_id[static CLIENT_ID_SIZE], char ret[static CLIENT_ID_TEXT_SIZE])
{
	sodium_bin2hex(ret, CLIENT_ID_TEXT_SIZE, client_id, CLIENT_ID_SIZE);
}
