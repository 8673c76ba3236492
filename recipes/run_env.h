/* recipes/run_env.h - arguments and environment of a command.
 *
 * Private to execution. Pure, but for memory.
 */
#ifndef RECIPES_RUN_ENV_H
#define RECIPES_RUN_ENV_H

#include "recipes/task.h"

/* Strings of argv and envp; the array ends with NULL. */
struct strings {
	char **v;
	size_t count, cap;
};
void strings_done(struct strings *s);

/* Where the sandbox shows the run's directories; without a sandbox, where they
 * really lie. */
struct places {
	const char *root, *out;
};

int run_environment(const struct task *j, const struct places *at,
		    struct strings *env) MUST_USE;
/* env: made before, for elements such as `$out`. */
int run_arguments(const struct task *j, const struct places *at,
		  const struct strings *env, struct strings *argv) MUST_USE;

#endif
