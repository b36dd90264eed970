/* SPDX-License-Identifier: MIT */
/* A libcurl multi handle on an sd-event loop: each socket and the timer it asks for is a source. */
#ifndef MUSTER_MULTI_H
#define MUSTER_MULTI_H

#include <curl/curl.h>
#include <systemd/sd-event.h>

#include "base.h"

struct multi;

/* Called when a handle's transfer is done; the handle may be removed then. */
typedef void (*multi_done)(void *userdata, CURL *curl, CURLcode result);

int multi_new(sd_event *event, multi_done done, void *userdata, struct multi **ret) must_use;
struct multi *multi_free(struct multi *m); /* takes NULL, returns NULL; handles are removed first */

int multi_add(struct multi *m, CURL *curl) must_use;
void multi_remove(struct multi *m, CURL *curl);

#endif
