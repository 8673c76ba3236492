/* The invariants of the namespace, each a query that yields what breaks it. */
#include "core/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/ns_internal.h"

/* A row of a query: up to three numbers, for the words' %lld. */
struct rule {
	const char *words;
	const char *sql;
};

/* Of a branch, rows without inode hide what it was made from, and copies of
 * that are older than the fork. What both of them together say is checked by
 * check_branches() (core/check_branches.c). */
#define NAME "(e.ino <> 0 OR e.branch = 1)"
#define OWN                                                   \
	"(branch = 1 OR born > (SELECT forked_at FROM branch" \
	" WHERE id = branch))"

/* clang-format off */
static const struct rule rules[] = {
	{"a name in directory %lld that came with change %lld had come to an "
	 "end before it began",
	 "SELECT parent, born, 0 FROM entry WHERE died <= born OR born <= 0"},
	{"two names that are the same were in directory %lld at the same time "
	 "(changes %lld and %lld)",
	 "SELECT e.parent, e.born, x.born FROM entry AS e"
	 " JOIN entry AS x INDEXED BY entry_past ON x.branch = e.branch"
	 " AND x.parent = e.parent AND x.name = e.name AND x.died IS NOT NULL"
	 " AND x.id <> e.id WHERE e.died IS NOT NULL"
	 " AND x.born >= e.born AND x.born < e.died"},
	{"two names that are the same are in directory %lld (changes %lld and "
	 "%lld)",
	 "SELECT e.parent, e.born, x.born FROM entry AS e"
	 " JOIN entry AS x INDEXED BY entry_past ON x.branch = e.branch"
	 " AND x.parent = e.parent AND x.name = e.name AND x.died IS NOT NULL"
	 " WHERE e.died IS NULL AND x.died > e.born"},
	{"a name in directory %lld leads to inode %lld, which is not there",
	 "SELECT e.parent, e.ino, 0 FROM entry AS e LEFT JOIN inode AS i"
	 " ON i.branch = e.branch AND i.ino = e.ino"
	 " WHERE e.died IS NULL AND i.ino IS NULL AND " NAME},
	{"a name leads to inode %lld from %lld, which is no directory",
	 "SELECT e.ino, e.parent, 0 FROM entry AS e LEFT JOIN inode AS i"
	 " ON i.branch = e.branch AND i.ino = e.parent"
	 " WHERE e.died IS NULL AND (i.ino IS NULL OR i.mode & 61440 <> 16384)"
	 " AND " NAME},
	{"a name in directory %lld led to inode %lld, of which no version is "
	 "known",
	 "SELECT e.parent, e.ino, 0 FROM entry AS e WHERE " NAME
	 " AND NOT EXISTS (SELECT 1 FROM version AS v WHERE v.branch = e.branch"
	 " AND v.ino = e.ino)"},
	{"inode %lld has %lld names and counts %lld",
	 "SELECT i.ino, n, i.nlink FROM (SELECT i.*, (SELECT count(*)"
	 " FROM entry AS e INDEXED BY entry_ino WHERE e.branch = i.branch"
	 " AND e.ino = i.ino AND e.died IS NULL) AS n FROM inode AS i"
	 " WHERE i.branch = 1 AND i.mode & 61440 <> 16384) AS i"
	 " WHERE n <> i.nlink"},
	{"directory %lld has %lld links and counts %lld",
	 "SELECT ino, n, nlink FROM (SELECT i.*, 2 + (SELECT count(*)"
	 " FROM entry AS e INDEXED BY entry_present"
	 " JOIN inode AS d ON d.branch = e.branch AND d.ino = e.ino"
	 " WHERE e.branch = i.branch AND e.parent = i.ino AND e.died IS NULL"
	 " AND d.mode & 61440 = 16384) AS n FROM inode AS i"
	 " WHERE i.branch = 1 AND i.mode & 61440 = 16384 AND i.nlink > 0)"
	 " WHERE n <> nlink"},
	{"inode %lld is another than its newest version (change %lld)",
	 "SELECT i.ino, v.born, 0 FROM inode AS i LEFT JOIN version AS v"
	 " ON v.branch = i.branch AND v.ino = i.ino AND v.born ="
	 " (SELECT max(born) FROM version WHERE branch = i.branch"
	 " AND ino = i.ino) WHERE i.nlink > 0 AND (v.ino IS NULL"
	 " OR v.mode <> i.mode OR v.uid <> i.uid OR v.gid <> i.gid"
	 " OR v.rdev <> i.rdev OR v.size <> i.size"
	 " OR v.address IS NOT i.address OR v.content <> i.version)"},
	{"a name is none that could be (directory %lld, inode %lld, change "
	 "%lld)",
	 "SELECT parent, ino, born FROM entry WHERE length(name) NOT BETWEEN 1"
	 " AND 255 OR typeof(name) <> 'blob' OR instr(name, x'2f')"
	 " OR instr(name, x'00') OR name IN (x'2e', x'2e2e')"},
	{"a regular file has no address, or something else one (inode %lld, "
	 "change %lld)",
	 "SELECT ino, born, 0 FROM version WHERE"
	 " (mode & 61440 = 32768) <> (length(address) IS 32)"
	 " AND NOT (gone <> 0 AND address IS NULL)"},
	{"a symbolic link leads nowhere, or something else somewhere (inode "
	 "%lld, change %lld)",
	 "SELECT ino, born, 0 FROM version WHERE"
	 " (mode & 61440 = 40960) <> (target IS NOT NULL)"
	 " AND NOT (gone <> 0 AND target IS NULL)"},
	{"a version of inode %lld came with change %lld, of which nothing is "
	 "known",
	 "SELECT v.ino, v.born, 0 FROM version AS v LEFT JOIN change AS c"
	 " ON c.seq = v.born WHERE c.seq IS NULL"},
	{"a name came to directory %lld with change %lld, of which nothing is "
	 "known",
	 "SELECT e.parent, e.born, 0 FROM entry AS e LEFT JOIN change AS c"
	 " ON c.seq = e.born WHERE c.seq IS NULL"},
	{"a name went from directory %lld with change %lld, of which nothing is "
	 "known",
	 "SELECT e.parent, e.died, 0 FROM entry AS e LEFT JOIN change AS c"
	 " ON c.seq = e.died WHERE c.seq IS NULL AND e.died IS NOT NULL"},
	{"change %lld is older than %lld before it",
	 "SELECT seq, p, 0 FROM (SELECT seq, time, lag(seq) OVER w AS p,"
	 " lag(time) OVER w AS t FROM change WINDOW w AS (ORDER BY seq))"
	 " WHERE time < t"},
	{"the next change would be %lld, and there is %lld",
	 "SELECT next_seq, (SELECT max(seq) FROM change), 0 FROM counter"
	 " WHERE next_seq <= (SELECT max(seq) FROM change)"},
	{"the next inode would be %lld, and there is %lld",
	 "SELECT next_ino, m, 0 FROM counter, (SELECT max(ino) AS m"
	 " FROM version) WHERE next_ino <= m"},
	{"the counters of the store are not there",
	 "SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM counter)"},
	{"branch %lld was made from %lld, which is not there",
	 "SELECT b.id, b.parent, 0 FROM branch AS b WHERE b.id <> 1"
	 " AND NOT EXISTS (SELECT 1 FROM branch AS p WHERE p.id = b.parent"
	 " AND p.id < b.id)"},
	{"rows are of branch %lld, which is not there",
	 "SELECT branch, 0, 0 FROM (SELECT branch FROM entry UNION"
	 " SELECT branch FROM inode UNION SELECT branch FROM version UNION"
	 " SELECT branch FROM xattr UNION SELECT branch FROM derived)"
	 " WHERE branch NOT IN (SELECT id FROM branch)"},
	/* the first mount makes it; 9: a rollback, which may undo that */
	{"there is no root directory",
	 "SELECT 0, 0, 0 WHERE NOT EXISTS (SELECT 1 FROM inode"
	 " WHERE branch = 1 AND ino = 1 AND mode & 61440 = 16384)"
	 " AND EXISTS (SELECT 1 FROM change WHERE op <> 9)"},
};

static const struct rule totals[] = {
	{"the counters say %lld changes, and there are %lld",
	 "SELECT changes, n, 0 FROM counter, (SELECT count(*) AS n FROM change)"
	 " WHERE changes <> n"},
	{"the counters say %lld versions, and there are %lld",
	 "SELECT versions, n, 0 FROM counter, (SELECT count(*) AS n"
	 " FROM version WHERE " OWN ") WHERE versions <> n"},
	{"the counters say %lld files, and there are %lld",
	 "SELECT files, n, 0 FROM counter, (SELECT count(*) AS n FROM inode"
	 " WHERE branch = 1 AND nlink > 0 AND mode & 61440 = 32768) WHERE files <> n"},
	{"the counters say %lld bytes, and there are %lld",
	 "SELECT bytes, n, 0 FROM counter, (SELECT coalesce(sum(size), 0) AS n"
	 " FROM inode WHERE branch = 1 AND nlink > 0 AND mode & 61440 = 32768)"
	 " WHERE bytes <> n"},
};
/* clang-format on */

static int check_rule(const struct check *c, const struct rule *r,
		      void (*found)(void *ctx, const char *what))
{
	char text[256];
	struct stmt *st;
	unsigned n = 0;
	int rc;

	st = db_prepare(c->db, r->sql, &rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		if (++n > CHECK_MAX)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), r->words,
			 (long long)stmt_col_int(st, 0),
			 (long long)stmt_col_int(st, 1),
			 (long long)stmt_col_int(st, 2));
#pragma GCC diagnostic pop
		found(c->ctx, text);
	}
	stmt_free(st);
	if (n > CHECK_MAX) {
		snprintf(text, sizeof(text), "... and %u more like that",
			 n - CHECK_MAX);
		found(c->ctx, text);
	}
	return rc;
}

/* Where a dead name lies in the tree of intervals, without which the past is
 * not found. */
static int check_nodes(const struct check *c)
{
	uint64_t born, died;
	char text[128];
	struct stmt *st;
	int rc;

	st = db_prepare(c->db,
			"SELECT parent, born, died, node FROM entry"
			" WHERE died IS NOT NULL AND born > 0 AND died > born",
			&rc);
	if (!st)
		return rc;
	while ((rc = stmt_step(st)) > 0) {
		born = (uint64_t)stmt_col_int(st, 1);
		died = (uint64_t)stmt_col_int(st, 2);
		if (ns_fork_node(born, died) == (uint64_t)stmt_col_int(st, 3))
			continue;
		snprintf(text, sizeof(text),
			 "a name of directory %lld that came with change "
			 "%" PRIu64 " is not found in the past",
			 (long long)stmt_col_int(st, 0), born);
		c->found(c->ctx, text);
	}
	stmt_free(st);
	return rc;
}

int check_namespace(const struct check *c)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < ARRAY_LEN(rules); i++)
		rc = check_rule(c, &rules[i], c->found);
	for (i = 0; rc >= 0 && i < ARRAY_LEN(totals); i++)
		rc = check_rule(c, &totals[i], c->total ? c->total : c->found);
	if (rc >= 0)
		rc = check_nodes(c);
	return rc < 0 ? rc : check_branches(c);
}

/* clang-format off */
static const char recount[] =
	"UPDATE counter SET"
	" files = (SELECT count(*) FROM inode WHERE branch = 1 AND nlink > 0"
	"  AND mode & 61440 = 32768),"
	" dirs = (SELECT count(*) FROM inode WHERE branch = 1 AND nlink > 0"
	"  AND mode & 61440 = 16384),"
	" links = (SELECT count(*) FROM inode WHERE branch = 1 AND nlink > 0"
	"  AND mode & 61440 = 40960),"
	" bytes = (SELECT coalesce(sum(size), 0) FROM inode WHERE branch = 1 AND nlink > 0"
	"  AND mode & 61440 = 32768),"
	" changes = (SELECT count(*) FROM change),"
	" versions = (SELECT count(*) FROM version WHERE " OWN ")";
/* clang-format on */

int check_recount(struct db *db)
{
	int rc = db_begin(db);
	struct stmt *st;

	if (rc < 0)
		return rc;
	st = db_prepare(db, recount, &rc);
	if (st)
		rc = stmt_run(st);
	stmt_free(st);
	if (rc >= 0)
		rc = check_recount_branches(db);
	if (rc >= 0)
		return db_commit(db);
	db_rollback(db);
	return rc;
}
