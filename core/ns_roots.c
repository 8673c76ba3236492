#include "core/roots.h"

static const struct root_query queries[] = {
	{
		"SELECT address, branch, ino, born FROM version"
		" WHERE (branch, ino, born) > (?1, ?2, ?3)"
		" AND address IS NOT NULL AND gone = 0"
		" ORDER BY branch, ino, born LIMIT ?4",
		3,
		{0, 0, 0, 0},
		true,
		false,
	},
	{
		"SELECT address, branch, ino FROM inode"
		" WHERE (branch, ino) > (?1, ?2) AND address IS NOT NULL"
		" ORDER BY branch, ino LIMIT ?3",
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
