/* SPDX-License-Identifier: MIT */
/* What is answered on a connection: HTTP, and the channel. */
#ifndef HOSTILE_SERVE_H
#define HOSTILE_SERVE_H

#include "connection.h"

_Noreturn void serve(struct connection *c);
_Noreturn void serve_channel(struct connection *c); /* after the 101 */

#endif
