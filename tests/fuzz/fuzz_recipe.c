/* Recipe files: any bytes give a definition that keeps its promises, or an
 * error with a line. */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <string.h>

#include "recipes/file.h"

static void check_inputs(const struct recipe_def *d)
{
	const struct recipe_input *in;
	size_t i, k;

	for (i = 0; i < d->ninputs; i++) {
		in = &d->inputs[i];
		REQUIRE(in->name || d->ninputs == 1);
		REQUIRE(in->list || in->count == 1);
		REQUIRE(!i || strcmp(in[-1].name, in->name) < 0);
		for (k = 0; k < in->count; k++) {
			REQUIRE(*in->paths[k].text);
			REQUIRE(in->paths[k].line > 0);
			REQUIRE(in->paths[k].glob ==
				(strpbrk(in->paths[k].text, "*?[") != NULL));
		}
	}
}

static void check_def(const struct recipe_def *d)
{
	size_t i;

	check_inputs(d);
	REQUIRE((d->kind == RECIPE_RUN_SHELL) == (d->run != NULL));
	REQUIRE((d->kind == RECIPE_RUN_ARGV) == (d->argc > 0));
	REQUIRE((d->kind == RECIPE_FN) == (d->fn != NULL));
	REQUIRE(!d->argv || (!d->argv[d->argc] && *d->argv[0]));
	for (i = 1; i < d->nparams; i++)
		REQUIRE(strcmp(d->params[i - 1].name, d->params[i].name) < 0);
	for (i = 1; i < d->nenv; i++)
		REQUIRE(strcmp(d->env[i - 1], d->env[i]) < 0);
	REQUIRE(d->timeout_ns > 0);
	REQUIRE(!d->memory || d->memory >= RECIPE_MEMORY_MIN);
	for (i = 0; i < d->ntools; i++)
		REQUIRE(*d->tools[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct recipe_def *d = NULL;
	struct err err = {""};
	int rc = recipe_parse((const char *)data, size, &d, &err);
	size_t i;

	REQUIRE(rc == 0 || rc == -EINVAL || rc == -E2BIG);
	REQUIRE((rc == 0) == (d != NULL));
	if (rc == 0) {
		check_def(d);
		recipe_def_free(d);
		return 0;
	}
	REQUIRE(rc == -E2BIG || !strncmp(err.msg, "line ", 5));
	for (i = 0; err.msg[i]; i++) /* nothing that a terminal obeys */
		REQUIRE((unsigned char)err.msg[i] >= 0x20);
	return 0;
}
