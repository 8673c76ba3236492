#include "core/roots.h"

/* What a derived name held in the past may be another output than the one its
 * computation gave last; of one that was dropped the bytes are not kept. */
static const struct root_query queries[] = {
	{
		"SELECT address, rowid, recipe FROM result WHERE rowid > ?1"
		" AND dropped = 0 ORDER BY rowid LIMIT ?2",
		1,
		{0, 0, 0, 0},
		false,
		true,
	},
	{
		"SELECT text, rowid FROM result WHERE rowid > ?1"
		" AND text IS NOT NULL ORDER BY rowid LIMIT ?2",
		1,
		{0, 0, 0, 0},
		false,
		false,
	},
	{
		"SELECT other, rowid FROM verified WHERE rowid > ?1"
		" AND other IS NOT NULL ORDER BY rowid LIMIT ?2",
		1,
		{0, 0, 0, 0},
		false,
		false,
	},
	{
		"SELECT address, seq, recipe FROM derived INDEXED BY "
		"derived_seq"
		" WHERE seq > ?1 AND gone = 0 AND NOT EXISTS (SELECT 1"
		" FROM result AS r WHERE r.recipe = derived.recipe"
		" AND r.address = derived.address AND r.dropped <> 0)"
		" ORDER BY seq LIMIT ?2",
		1,
		{0, 0, 0, 0},
		false,
		true,
	},
};

int results_roots(struct db *reader, root_fn fn, void *ctx)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < ARRAY_LEN(queries); i++)
		rc = roots_page(reader, &queries[i], fn, ctx);
	return rc;
}
