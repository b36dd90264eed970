/* SPDX-License-Identifier: MIT */
/* Where everything is on an enrolled machine. muster-enrol(8), "FILES". */
#ifndef MUSTER_ENROL_PATHS_H
#define MUSTER_ENROL_PATHS_H

#define PROGRAM_FOLDER "/usr/local/sbin"
#define AGENT_PROGRAM  PROGRAM_FOLDER "/muster-agent"
#define ENROL_PROGRAM  PROGRAM_FOLDER "/muster-enrol"

#define CONF_FOLDER "/etc/muster"
#define AGENT_CONF  CONF_FOLDER "/muster-agent.conf"
#define SERVER_CONF CONF_FOLDER "/muster-server.conf" /* of a server on the same machine */

#define UNIT_NAME   "muster-agent.service"
#define UNIT_FOLDER "/etc/systemd/system"
#define UNIT_FILE   UNIT_FOLDER "/" UNIT_NAME
#define UNIT_WANTS  UNIT_FOLDER "/multi-user.target.wants"
/* With --listen. */
#define SOCKET_NAME  "muster-agent.socket"
#define SOCKET_FILE  UNIT_FOLDER "/" SOCKET_NAME
#define SEND_SOCKET  "/run/muster-send" /* the other one that it opens */
#define SOCKET_WANTS UNIT_FOLDER "/sockets.target.wants"
/* Hooks of configurations; the first is started and stopped with the agent. */
#define APPLY_PATH_NAME    "muster-apply.path"
#define APPLY_PATH         UNIT_FOLDER "/" APPLY_PATH_NAME
#define APPLY_SERVICE_NAME "muster-apply.service"
#define APPLY_SERVICE      UNIT_FOLDER "/" APPLY_SERVICE_NAME
#define APPLY_FOLDER       "/var/lib/muster-apply" /* what hooks have applied last */
#define APPLY_RUNTIME      "/run/muster-apply"
/* Updates that the server orders; the first is started and stopped with the agent, too. */
#define UPDATE_PATH_NAME    "muster-update.path"
#define UPDATE_PATH         UNIT_FOLDER "/" UPDATE_PATH_NAME
#define UPDATE_SERVICE_NAME "muster-update.service"
#define UPDATE_SERVICE      UNIT_FOLDER "/" UPDATE_SERVICE_NAME
#define UPDATE_FOLDER       "/var/lib/muster-update" /* the newest order, and what came of it */
#define UPDATE_RUNTIME      "/run/muster-update"

/* The unit has DynamicUser: systemd keeps its state below private/, behind a link. */
#define PRIVATE_FOLDER "/var/lib/private"
#define STATE_FOLDER   PRIVATE_FOLDER "/muster-agent"
#define STATE_LINK     "/var/lib/muster-agent"
#define STATE_TARGET   "private/muster-agent"
#define IDENTITY_NAME  "identity.key"
#define TLS_NAME       "tls.pem"
#define CLIENT_NAME    "client"
/* What --rekey has prepared, until the agent takes it into use. */
#define NEXT_IDENTITY_NAME IDENTITY_NAME ".next"
#define NEXT_TLS_NAME      TLS_NAME ".next"
#define NEXT_CLIENT_NAME   CLIENT_NAME ".next"
#define RESET_NAME         "reset"     /* the last restart that the server has asked for */
#define LISTENING_NAME     "listening" /* what the server knows of the port */
#define REVOKED_NAME       "revoked"   /* why the agent has wiped the keys */

#define STATUS_PARENT "/run"
#define STATUS_FOLDER "/run/muster-agent"
#define STATUS_NAME   "status"

/* The newest release that this machine has seen. */
#define RELEASE_FOLDER "/var/lib"
#define RELEASE_FILE   RELEASE_FOLDER "/muster-release"

/* While an enrolment runs, and after one was killed. */
#define JOURNAL_FOLDER "/var/lib/muster-enrol"
#define JOURNAL_FILE   JOURNAL_FOLDER "/journal"
/* Keys of an enrolment whose answer was lost for good; in memory, until the next boot. */
#define KEPT_FOLDER "/run/muster-enrol"

#endif
