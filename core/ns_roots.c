#include "core/roots.h"

/* A branch that was made at a moment of which some was let go of has copies of
 * what was: that content nobody keeps. */
#define KEPT(content)                                                  \
	" AND NOT (branch <> 1 AND EXISTS (SELECT 1 FROM version AS g" \
	" WHERE g.branch = t.branch AND g.ino = t.ino AND g.gone <> 0" \
	" AND g.content = t." content "))"

static const struct root_query queries[] = {
	{
		"SELECT address, branch, ino, born FROM version AS t"
		" WHERE (branch, ino, born) > (?1, ?2, ?3)"
		" AND address IS NOT NULL AND gone = 0" KEPT(
			"content") " ORDER BY branch, ino, born LIMIT ?4",
		3,
		{0, 0, 0, 0},
		true,
		false,
	},
	{
		"SELECT address, branch, ino FROM inode AS t"
		" WHERE (branch, ino) > (?1, ?2) AND address IS NOT NULL" KEPT(
			"version") " ORDER BY branch, ino LIMIT ?3",
		2,
		{0, 0, 0, 0},
		false,
		false,
	},
};

int ns_roots(struct db *reader, root_fn fn, void *ctx)
{
	size_t i;
	int rc = 0;

	for (i = 0; !rc && i < ARRAY_LEN(queries); i++)
		rc = roots_page(reader, &queries[i], fn, ctx);
	return rc;
}
