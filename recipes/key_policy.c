/* Keys about what of the machine a command uses, and when a result is made and
 * kept. */
#include "recipes/key.h"

#include <errno.h>
#include <string.h>

#include "recipes/word.h"

#define TOOLS_MAX     100
#define TOOL_NAME_MAX 255

static int key_flag(struct recipe_reader *r, const struct ynode *n,
		    const char *key, bool *ret)
{
	bool yes = n->type == Y_TEXT && !strcmp(n->text, "true");

	if (!yes && (n->type != Y_TEXT || strcmp(n->text, "false") != 0))
		return err_set(r->err, -EINVAL,
			       "line %u: `%s` is `true` or `false`", n->line,
			       key);
	*ret = yes;
	return 0;
}

int key_network(struct recipe_reader *r, const struct ynode *n)
{
	r->network = n;
	return key_flag(r, n, "network", &r->def->network);
}

int key_eager(struct recipe_reader *r, const struct ynode *n)
{
	return key_flag(r, n, "eager", &r->def->eager);
}

int key_keep(struct recipe_reader *r, const struct ynode *n)
{
	static const char *const words[] = {
		[RECIPE_KEEP_AUTO] = "auto",
		[RECIPE_KEEP_ALWAYS] = "always",
		[RECIPE_KEEP_NEVER] = "never",
	};
	size_t i;

	for (i = 0; n->type == Y_TEXT && i < ARRAY_LEN(words); i++)
		if (!strcmp(n->text, words[i])) {
			r->def->keep = (enum recipe_keep)i;
			return 0;
		}
	return err_set(r->err, -EINVAL,
		       "line %u: `keep` is `auto`, `always` (never dropped) or "
		       "`never` (dropped when its last reader closes it)",
		       n->line);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int check_tool(struct recipe_reader *r, const struct ynode *item)
{
	int rc = key_check_word(r, "an element of `tools`", item);

	if (rc < 0)
		return rc;
	if (strchr(item->text, '/') || strlen(item->text) > TOOL_NAME_MAX)
		return err_set(r->err, -EINVAL,
			       "line %u: `tools` takes names of programs as a "
			       "command calls them, such as gcc; `%s` is a "
			       "path",
			       item->line, word_show(item->text).s);
	return 0;
}

int key_tools(struct recipe_reader *r, const struct ynode *n)
{
	struct recipe_def *d = r->def;
	size_t i;
	int rc;

	r->tools = n;
	if (n->type != Y_LIST)
		return err_set(r->err, -EINVAL,
			       "line %u: `tools` is a list of names of "
			       "programs: `tools: [gcc]`",
			       n->line);
	if (n->count > TOOLS_MAX)
		return err_set(r->err, -EINVAL,
			       "line %u: `tools` names more than %d programs",
			       n->line, TOOLS_MAX);
	d->tools_line = n->line;
	d->tools = calloc(MAX(n->count, (size_t)1), sizeof(*d->tools));
	if (!d->tools)
		return -ENOMEM;
	for (i = 0; i < n->count; i++) {
		rc = check_tool(r, n->items[i]);
		if (rc < 0)
			return rc;
		d->tools[i] = strdup(n->items[i]->text);
		if (!d->tools[i])
			return -ENOMEM;
		d->ntools++;
	}
	qsort(d->tools, d->ntools, sizeof(*d->tools), compare_strings);
	for (i = 1; i < d->ntools; i++)
		if (!strcmp(d->tools[i - 1], d->tools[i]))
			return err_set(r->err, -EINVAL,
				       "line %u: `tools` names `%s` twice",
				       n->line, word_show(d->tools[i]).s);
	return 0;
}
