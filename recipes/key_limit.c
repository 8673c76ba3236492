#include "recipes/key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "recipes/word.h"

int key_timeout(struct recipe_reader *r, const struct ynode *n)
{
	int64_t ns;
	int rc;

	rc = key_check_word(r, "`timeout`", n);
	if (rc < 0)
		return rc;
	if (duration_parse(n->text, &ns) < 0 || ns <= 0)
		return err_set(r->err, -EINVAL,
			       "line %u: `timeout: %s` is no duration above 0: "
			       "write 90, 30s, 5m or 1.5h",
			       n->line, word_show(n->text).s);
	r->def->timeout_ns = ns;
	return 0;
}

int key_memory(struct recipe_reader *r, const struct ynode *n)
{
	uint64_t bytes;
	int rc;

	rc = key_check_word(r, "`memory`", n);
	if (rc < 0)
		return rc;
	if (size_parse(n->text, &bytes) < 0 || bytes < RECIPE_MEMORY_MIN)
		return err_set(r->err, -EINVAL,
			       "line %u: `memory: %s` is no size of at least "
			       "1M: write 512M or 2G",
			       n->line, word_show(n->text).s);
	r->def->memory = bytes;
	return 0;
}

int key_stat(struct recipe_reader *r, const struct ynode *n)
{
	bool lazy = n->type == Y_TEXT && !strcmp(n->text, "lazy");

	if (!lazy && (n->type != Y_TEXT || strcmp(n->text, "exact") != 0))
		return err_set(r->err, -EINVAL,
			       "line %u: `stat` is `exact` or `lazy`", n->line);
	r->def->stat_lazy = lazy;
	r->def->stat_set = true;
	return 0;
}
