/* What follows from all effects together: link counts, what has no name any
 * more, totals; and after a gap what came to be in it. */
#include "core/rebuild_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/clock.h"
#include "core/ns_internal.h"

/* --- after a gap -----------------------------------------------------------
 */

/* clang-format off */

/* Directories that names lie in and nothing is known of: their owner and mode
 * become the root's. */
static const char *const lost_dirs[] = {
	"INSERT INTO version(branch, ino, born, content, mode, uid, gid, rdev,"
	" size, mtime) SELECT 1, parent, b, b, 16832, r.uid, r.gid, 0, 0,"
	" c.time FROM (SELECT parent, min(born) AS b FROM entry"
	" WHERE parent NOT IN (SELECT ino FROM version) GROUP BY parent)"
	" JOIN change AS c ON c.seq = b LEFT JOIN inode AS r ON r.ino = 1",
	"INSERT INTO inode(branch, ino, mode, nlink, uid, gid, rdev, size,"
	" atime, mtime, ctime, version) SELECT 1, v.ino, v.mode, 1, v.uid,"
	" v.gid, 0, 0, v.mtime, v.mtime, v.mtime, v.born FROM version AS v"
	" WHERE v.ino NOT IN (SELECT ino FROM inode) AND v.ino IN"
	" (SELECT parent FROM entry)",
};

/* What has a version and never had a name that is known. */
static const char nameless[] =
	"INSERT INTO entry(branch, parent, name, ino, born, node)"
	" SELECT 1, ?1, CAST('#' || ino AS BLOB), ino, ?2, 0 FROM inode"
	" WHERE ino <> 1 AND ino <> ?1"
	" AND ino NOT IN (SELECT ino FROM entry)";

/* Names of what is not known. */
static const char *const lost_names[] = {
	"DELETE FROM entry WHERE ino <> 0 AND ino NOT IN"
	" (SELECT ino FROM version)",
};

static const char *const links[] = {
	"UPDATE inode SET nlink = (SELECT count(*) FROM entry AS e"
	" INDEXED BY entry_ino WHERE e.branch = 1 AND e.ino = inode.ino"
	" AND e.died IS NULL) WHERE branch = 1",
	"DELETE FROM inode WHERE branch = 1 AND nlink = 0 AND ino <> 1",
	"UPDATE inode SET nlink = 2 + (SELECT count(*) FROM entry AS e"
	" INDEXED BY entry_present JOIN inode AS d ON d.branch = 1"
	" AND d.ino = e.ino WHERE e.branch = 1 AND e.parent = inode.ino"
	" AND e.died IS NULL AND d.mode & 61440 = 16384)"
	" WHERE branch = 1 AND mode & 61440 = 16384",
	"UPDATE xattr SET died = max(born + 1, coalesce((SELECT max(died)"
	" FROM entry AS e WHERE e.branch = 1 AND e.ino = xattr.ino), born + 1))"
	" WHERE branch = 1 AND died IS NULL AND ino NOT IN"
	" (SELECT ino FROM inode WHERE branch = 1)",
};

static const char counters[] =
	"UPDATE counter SET next_seq = ?1, next_ino = ?2,"
	" files = (SELECT count(*) FROM inode WHERE branch = 1 AND mode & 61440 = 32768),"
	" dirs = (SELECT count(*) FROM inode WHERE branch = 1 AND mode & 61440 = 16384),"
	" links = (SELECT count(*) FROM inode WHERE branch = 1 AND mode & 61440 = 40960),"
	" bytes = (SELECT coalesce(sum(size), 0) FROM inode"
	" WHERE branch = 1 AND mode & 61440 = 32768),"
	" changes = (SELECT count(*) FROM change),"
	" versions = (SELECT count(*) FROM version WHERE branch = 1"
	"  OR born > (SELECT forked_at FROM branch AS b"
	"  WHERE b.id = version.branch)) WHERE id = 1";
/* clang-format on */

static int exec_all(struct db *db, const char *const *sql, size_t n)
{
	size_t i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < n; i++)
		rc = db_run(db, sql[i]);
	return rc;
}

static int count(struct db *db, const char *sql, uint64_t *ret)
{
	struct stmt *st;
	int64_t n;
	int rc;

	st = db_prepare(db, sql, &rc);
	if (!st)
		return rc;
	rc = stmts_int(st, &n);
	stmt_free(st);
	if (rc > 0)
		*ret = (uint64_t)n;
	return rc < 0 ? rc : 0;
}

/* Two numbers bound. */
static int exec_two(struct db *db, const char *sql, uint64_t a, uint64_t b)
{
	struct stmt *st;
	int rc;

	st = db_prepare(db, sql, &rc);
	if (!st)
		return rc;
	stmt_int(st, 1, (int64_t)a);
	stmt_int(st, 2, (int64_t)b);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

/* /lost+found, by a change of its own. */
static int make_lost_found(struct rebuild *r, uint64_t *ret_ino)
{
	static const char *const rows[] = {
		"INSERT INTO change(seq, branch, time, op, uid, pid, program,"
		" message, dir) SELECT ?1, 1, max(time), 1, 0, 0,"
		" 'deriva fsck', 'what has lost its name', 1 + 0 * ?2"
		" FROM change",
		"INSERT INTO version(branch, ino, born, content, mode, uid,"
		" gid, rdev, size, mtime) SELECT 1, ?2, ?1, ?1, 16832,"
		" coalesce(r.uid, 0), coalesce(r.gid, 0), 0, 0, c.time"
		" FROM change AS c LEFT JOIN inode AS r ON r.ino = 1"
		" WHERE c.seq = ?1",
		"INSERT INTO inode(branch, ino, mode, nlink, uid, gid, rdev,"
		" size, atime, mtime, ctime, version) SELECT 1, ino, mode, 2,"
		" uid, gid, 0, 0, mtime, mtime, mtime, born FROM version"
		" WHERE born = ?1 AND ino = ?2",
		"INSERT INTO entry(branch, parent, name, ino, born, node)"
		" SELECT 1, 1, CASE WHEN EXISTS (SELECT 1 FROM entry"
		" WHERE branch = 1 AND parent = 1 AND died IS NULL"
		" AND name = CAST('lost+found' AS BLOB))"
		" THEN CAST('lost+found.' || ?2 AS BLOB)"
		" ELSE CAST('lost+found' AS BLOB) END, ?2, ?1, 0",
	};
	uint64_t seq = r->seq + 1, ino = r->ino + 1;
	size_t i;
	int rc = 0;

	for (i = 0; rc >= 0 && i < ARRAY_LEN(rows); i++)
		rc = exec_two(r->db, rows[i], seq, ino);
	r->seq = seq;
	r->ino = ino;
	*ret_ino = ino;
	return rc;
}

static int adopt(struct rebuild *r)
{
	uint64_t ino, n = 0;
	int rc;

	rc = count(r->db,
		   "SELECT count(*) FROM entry WHERE died IS NULL"
		   " AND ino NOT IN (SELECT ino FROM version)"
		   " AND ino NOT IN (SELECT parent FROM entry)",
		   &r->sums.dropped);
	if (rc >= 0)
		rc = exec_all(r->db, lost_dirs, ARRAY_LEN(lost_dirs));
	if (rc >= 0)
		rc = exec_all(r->db, lost_names, ARRAY_LEN(lost_names));
	if (rc >= 0)
		rc = count(r->db,
			   "SELECT count(*) FROM inode WHERE ino <> 1"
			   " AND ino NOT IN (SELECT ino FROM entry)",
			   &n);
	if (rc < 0 || !n)
		return rc;
	r->sums.adopted = n;
	rc = make_lost_found(r, &ino);
	return rc < 0 ? rc : exec_two(r->db, nameless, ino, r->seq);
}

/* The root's making was lost as well. */
static int make_root(struct rebuild *r)
{
	char sql[512];
	uint64_t n = 0;
	int rc = count(r->db, "SELECT count(*) FROM inode WHERE ino = 1", &n);

	if (rc < 0 || n)
		return rc;
	rc = count(r->db, "SELECT count(*) FROM change", &n);
	if (rc < 0 || !n)
		return rc; /* nothing at all: whoever opens it makes it */
	snprintf(sql, sizeof(sql),
		 "INSERT INTO version(branch, ino, born, content, mode, uid,"
		 " gid, rdev, size, mtime) SELECT 1, 1, seq, seq, 16877, %u,"
		 " %u, 0, 0, time FROM change ORDER BY seq LIMIT 1",
		 (unsigned)geteuid(), (unsigned)getegid());
	rc = db_run(r->db, sql);
	if (rc < 0)
		return rc;
	return db_run(r->db, "INSERT INTO inode(branch, ino, mode, nlink, uid,"
			     " gid, rdev, size, atime, mtime, ctime, version)"
			     " SELECT 1, 1, mode, 2, uid, gid, 0, 0, mtime,"
			     " mtime, mtime, born FROM version WHERE ino = 1");
}

/* --- the end ---------------------------------------------------------------
 */

/* All that was read is on the disk. */
static int put_head(struct rebuild *r, const char *sql, const struct addr *head)
{
	struct stmt *st;
	int rc;

	st = db_prepare(r->db, sql, &rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, head->b, ADDR_LEN);
	stmt_int(st, 2, (int64_t)r->seq);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}

/* In the order of their numbers: what one was made from comes first. */
static int count_branches(struct db *db)
{
	struct ns *main_ns = NULL, **all = NULL;
	size_t i;
	int rc = ns_open_view(db, BRANCH_MAIN, &main_ns);

	if (rc == 0)
		rc = ns_open_all(main_ns, &all);
	for (i = 0; rc == 0 && all[i]; i++)
		rc = ns_over_recount(all[i]);
	ns_close_all(all);
	ns_close(main_ns);
	return rc;
}

int rebuild_end(struct rebuild *r, const struct addr *head, uint64_t seq,
		struct rebuild_sums *ret)
{
	int rc = db_begin(r->db);

	if (rc == 0 && head)
		rc = put_head(r,
			      "INSERT OR REPLACE INTO journal(id, address,"
			      " seq, durable_seq) VALUES (1, ?1, ?2, ?2)",
			      head);
	if (rc >= 0 && head)
		rc = put_head(r,
			      "INSERT OR REPLACE INTO batch(address, last)"
			      " VALUES (?1, ?2)",
			      head);
	if (rc >= 0 && r->gap)
		rc = make_root(r);
	if (rc >= 0 && r->gap)
		rc = adopt(r);
	if (rc >= 0)
		rc = exec_all(r->db, links, ARRAY_LEN(links));
	if (rc >= 0)
		rc = exec_two(r->db, counters, MAX(r->seq, seq) + 1,
			      r->ino + 1);
	if (rc >= 0)
		rc = count_branches(r->db);
	if (rc >= 0)
		rc = db_commit(r->db);
	if (rc < 0)
		return rc;
	*ret = r->sums;
	return 0;
}

int rebuild_recipe(struct db *db, const struct addr *a, const void *p, size_t n)
{
	int rc = db_begin(db);
	struct stmt *st;

	if (rc < 0)
		return rc;
	st = db_prepare(db,
			"INSERT OR IGNORE INTO recipe(address, bytes)"
			" VALUES (?1, ?2)",
			&rc);
	if (!st)
		return rc;
	stmt_blob(st, 1, a->b, ADDR_LEN);
	stmt_blob(st, 2, p, n);
	rc = stmt_run(st);
	stmt_free(st);
	return rc;
}
