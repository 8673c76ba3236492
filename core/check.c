#include "core/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int check_begin(const struct check *c)
{
	return db_run(c->db, "BEGIN");
}

void check_end(const struct check *c)
{
	int rc = db_run(c->db, "COMMIT");

	if (rc < 0)
		log_error("the check of the rows cannot be ended: %s",
			  err_name(rc));
}

static void found_row(const struct check *c, struct stmt *st)
{
	char text[512], *line;
	const char *p;
	size_t n;

	p = stmt_col_blob(st, 0, &n);
	snprintf(text, sizeof(text), "%.*s", (int)MIN(n, sizeof(text) - 1), p);
	/* several lines, of which a finding is one */
	while ((line = strchr(text, '\n')))
		*line = ' ';
	if (strcmp(text, "ok"))
		c->found(c->ctx, text);
}

int check_pages(const struct check *c)
{
	struct stmt *st;
	int rc;

	st = db_prepare(c->db, "PRAGMA integrity_check(100)", &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0)
		found_row(c, st);
	stmt_free(st);
	return rc;
}
