/* SPDX-License-Identifier: MIT */
#include "script.h"

#include <string.h>

#include "prompt.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define TYPED   128 /* most bytes of a token as people paste it */

int script_print(struct ctl *c, const char *token, bool embed)
{
	scoped(freep) char *text = NULL;
	json_t *body = json_pack("{s:b}", "embed", embed);
	size_t len = 0;
	int r;

	if (body && token && json_object_set_new(body, "token", json_string(token)) < 0) {
		json_decref(body);
		return complain(CTL_USAGE, "this is not a token: 16 hex digits");
	}
	if (!body)
		return complain(CTL_FAILED, "no memory");
	r = request_text(c, "/api/v1/installer", body, &text, &len);
	json_decref(body);
	if (r == CTL_OK && fwrite(text, 1, len, stdout) != len)
		r = CTL_FAILED; /* main() tells why */
	if (text)
		explicit_bzero(text, len);
	return r;
}

void script_explain(const char *name, const char *pin)
{
	if (!*name || name[strspn(name, LETTERS ".-:[]")] || !*pin ||
		pin[strspn(pin, LETTERS "+/=;")])
		return;
	fprintf(stderr,
		"\nOn the machine, one of these; the script asks for the token:\n"
		"  curl -q -g -fsS -k --proto =https --pinnedpubkey '%s' "
		"'https://%s/clients/linux' | "
		"sudo sh\n"
		"  wget --no-config -q --max-redirect=0 --no-check-certificate --pinnedpubkey='%s' "
		"-O- 'https://%s/clients/linux' | sudo sh\n",
		pin, name, pin, name);
}

/* ---- installer */

/* Out of the arguments, where every user of the machine could read it on. */
static void hide(const char *argument)
{
	explicit_bzero((char *)(uintptr_t)argument, strlen(argument));
}

int installer(struct ctl *c, int argc, char **argv)
{
	const char *given = NULL;
	char token[TYPED] = "";
	bool embed = false;
	const struct option options[] = {
		{ "token", OPTION_VALUE, { .value = &given } },
		{ "embed", OPTION_FLAG, { .flag = &embed } },
	};
	int r = options_only(c, options, COUNT(options), argc, argv, 0);

	if (r == CTL_OK && c->json)
		r = complain(CTL_USAGE, "a script can't be --json");
	if (r == CTL_OK && given && strcmp(given, "-") == 0) {
		if (!prompt_hidden("Token", token, sizeof(token)))
			r = complain(CTL_USAGE, "no token on standard input, or too long a line");
	} else if (given) {
		snprintf(token, sizeof(token), "%s", given);
		hide(given);
	}
	if (r == CTL_OK)
		r = script_print(c, given ? token : NULL, embed);
	explicit_bzero(token, sizeof(token));
	return r;
}
