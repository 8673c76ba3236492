/* recipes/sql_table.h - files of rows as a table: CSV, TSV, JSON.
 *
 * Private to fn_sql.c. A file is read twice: sql_table_learn() finds out which
 * columns there are and what is in them, then sql_table_rows() gives the rows.
 *
 * A column is INT or REAL when all that is in it are such numbers (and, of
 * CSV, empty fields, which are then NULL), else TEXT.
 *
 * Errors: -EILSEQ with path and line, -E2BIG, -ECANCELED, of the store.
 */
#ifndef RECIPES_SQL_TABLE_H
#define RECIPES_SQL_TABLE_H

#include "core/query.h"
#include "recipes/fn.h"

enum sql_format { SQL_AUTO, SQL_CSV, SQL_TSV, SQL_JSON };

struct sql_table {
	struct fn_call *call;
	enum sql_format format;
	bool texts; /* all columns are TEXT */

	struct query_column *columns; /* name.p is owned */
	size_t n, room;
};
void sql_table_done(struct sql_table *t);

int sql_table_learn(struct sql_table *t, size_t input,
		    struct err *err) MUST_USE;
/* After all its files were learned. row: values by column. */
int sql_table_rows(struct sql_table *t, size_t input,
		   int (*row)(void *ctx, const struct query_text *values,
			      struct err *err),
		   void *ctx, struct err *err) MUST_USE;

#endif
