/* Rows of the namespace and of results that say anything: every question about
 * them is answered or refused, and every change is made or refused. What an
 * operation says it did is not looked at: that the process goes on is. */
#include "tests/fuzz/input.h"

#include <errno.h>

#include "core/journal.h"
#include "core/ns.h"
#include "core/results.h"

static struct {
	struct db *db;
	struct journal *journal;
	struct ns *ns;
	struct results *results;
} w;

static const struct ns_by by = {.uid = 1, .pid = 2, .program = "fuzz"};

static int put(void *ctx, enum obj_kind kind, const void *p, size_t n,
	       struct addr *ret)
{
	addr_of(kind, p, n, ret);
	return 0;
}

static void open_rows(void)
{
	char path[4200];
	struct err err;

	snprintf(path, sizeof(path), "%s/db", work_dir());
	REQUIRE(db_open(path, DB_CREATE, &w.db, &err) == 0);
	REQUIRE(journal_open(w.db, &w.journal) == 0);
	journal_set_put(w.journal, put, NULL);
	REQUIRE(ns_open(w.db, 0, 0, &w.ns, &err) == 0);
	ns_set_journal(w.ns, w.journal);
	REQUIRE(results_open(w.db, w.ns, &w.results) == 0);
	log_set_level(LOG_NONE);
	db_lock(w.db);
	REQUIRE(db_commit(w.db) == 0);
}

/* --- rows ------------------------------------------------------------------
 */

/* i an integer, b bytes, t text, n a name from a few; ? may be NULL. */
static const struct {
	const char *table, *columns, *types;
} tables[] = {
	{"inode",
	 "branch,ino,mode,nlink,uid,gid,rdev,size,atime,mtime,ctime,address,"
	 "version",
	 "1iiiiiiiiiiai"},
	{"entry", "branch,parent,name,ino,born,died,node", "1iniiii"},
	{"entry", "branch,parent,name,ino,born,died,node", "1inii?0"},
	{"version",
	 "branch,ino,born,content,mode,uid,gid,rdev,size,mtime,address,target",
	 "1iiiiiiiiiab"},
	{"change", "seq,branch,time,op,uid,pid,program,message,dir,dir2",
	 "i1iiiittii"},
	{"xattr", "branch,ino,name,born,died,value",
	 "1inii"
	 "b"},
	{"xattr", "branch,ino,name,born,died,value", "1ini?b"},
	{"orphan", "branch,ino,owner", "1it"},
	{"recipe", "address,bytes", "ab"},
	{"derived",
	 "branch,dir,name,seq,recipe,error,address,size,executable,ran,since,"
	 "last,before",
	 "1iniaiaiiiiia"},
	{"result",
	 "recipe,error,executable,reproducible,address,size,wall,cpu,memory,"
	 "time,text,text_size,uses,last_use,message",
	 "aiiiaiiiiiaiiit"},
	{"journal", "id,address,seq", "1ai"},
	{"setting", "key,value", "tt"},
};

static void bind(struct stmt *st, int i, char type, struct cur *c)
{
	static const char names[] = "a\0b\0..\0x/y\0\xff";
	static const uint8_t addr[ADDR_LEN] = {7};
	const void *p;
	size_t n;

	switch (type) {
	case '1':
		stmt_int(st, i, 1);
		return;
	case '0':
		stmt_int(st, i, 0);
		return;
	case '?':
		stmt_null(st, i);
		return;
	case 'i':
		stmt_int(st, i, take_number(c));
		return;
	case 'n':
		p = names + take_u8(c) % (sizeof(names) - 2);
		stmt_blob(st, i, p, take_u8(c) % 3 ? strlen(p) : 2);
		return;
	case 'a':
		n = take_u8(c);
		if (n < 200)
			stmt_blob(st, i, addr, ADDR_LEN);
		else if (n < 210)
			stmt_null(st, i);
		else
			stmt_blob(st, i, addr, n % (ADDR_LEN + 1));
		return;
	}
	n = take_u8(c) % 100;
	p = take_bytes(c, n, &n);
	if (type == 'b')
		stmt_blob(st, i, p, n);
	else
		stmt_text(st, i, n ? "0123456789abcdef" : "", n % 16);
}

static void add_row(struct cur *c)
{
	unsigned which = take_u8(c) % ARRAY_LEN(tables), i;
	const char *types = tables[which].types;
	CLEANUP_BUF struct buf sql = BUF_INIT;
	struct stmt *st;
	int rc;

	buf_fmt(&sql, "INSERT OR REPLACE INTO %s(%s) VALUES (?",
		tables[which].table, tables[which].columns);
	for (i = 1; types[i]; i++)
		buf_str(&sql, ",?");
	buf_str(&sql, ")");
	st = db_prepare(w.db, buf_cstr(&sql), &rc);
	REQUIRE(st);
	for (i = 0; types[i]; i++)
		bind(st, (int)i + 1, types[i], c);
	rc = stmt_run(st); /* NULL where none may be: refused */
	stmt_free(st);
}

static void set_counters(struct cur *c)
{
	struct stmt *st;
	int rc;

	st = db_prepare(w.db,
			"UPDATE counter SET next_seq = ?, next_ino = ?,"
			" files = ?, bytes = ?",
			&rc);
	REQUIRE(st);
	for (rc = 1; rc <= 4; rc++)
		stmt_int(st, rc, take_number(c));
	REQUIRE(stmt_run(st) == 0);
	stmt_free(st);
}

/* --- questions --------------------------------------------------------------
 */

static int on_entry(void *ctx, const struct ns_entry *e)
{
	REQUIRE(!e->name[e->len]);
	return 0;
}

static int on_version(void *ctx, const struct ns_version *v)
{
	return 0;
}

static int on_interval(void *ctx, const struct ns_interval *i)
{
	return 0;
}

static int on_derived(void *ctx, const struct derived *d)
{
	REQUIRE(memchr(d->name, '\0', sizeof(d->name)));
	return 0;
}

static void ask_inode(uint64_t at, uint64_t ino)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct ns_attr a;
	uint64_t parent;
	int rc;

	rc = ns_getattr(w.ns, at, ino, &a);
	rc |= ns_readlink(w.ns, at, ino, &b);
	rc |= ns_path(w.ns, at, ino, &b);
	rc |= ns_parent(w.ns, at, ino, &parent);
	rc |= ns_xattr_list_at(w.ns, at, ino, &b);
	rc |= ns_xattr_get_at(w.ns, at, ino, "a", &b);
	rc |= ns_list(w.ns, at, ino, NULL, 0, on_entry, NULL);
	rc |= ns_list(w.ns, at, ino, "a", 1, on_entry, NULL);
	rc |= ns_versions(w.ns, ino, on_version, NULL);
	ns_dir_empty(w.ns, ino);
}

static void ask_name(uint64_t at, uint64_t dir, const char *name)
{
	struct derived d;
	uint64_t ino, born;
	int rc;

	rc = ns_lookup(w.ns, at, dir, name, strlen(name), &ino, &born);
	rc |= ns_name_history(w.ns, dir, name, strlen(name), on_interval, NULL);
	rc |= results_derived(w.results, at, dir, name, strlen(name), &d);
	rc |= results_derived_history(w.results, dir, name, strlen(name),
				      on_derived, NULL);
}

static void ask_whole(int64_t n)
{
	static const struct addr recipe = {{7}};
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct result_totals sums;
	struct ns_change change;
	struct totals totals;
	struct result res;
	struct addr head;
	uint64_t seq;
	int rc;

	rc = ns_change(w.ns, (uint64_t)n, &change);
	rc |= ns_change_at(w.ns, n, &seq);
	rc |= ns_versions_between(w.ns, 0, (uint64_t)n, on_version, NULL);
	rc |= ns_totals(w.ns, &totals);
	rc |= ns_setting_get(w.ns, "0", &b);
	rc |= journal_head(w.journal, &head, &seq);
	rc |= results_get_recipe(w.results, &recipe, &b);
	rc |= results_totals(w.results, &sums);
	rc = results_get(w.results, &recipe, &res);
	if (!rc)
		REQUIRE(memchr(res.message, '\0', sizeof(res.message)));
}

static void ask(struct cur *c)
{
	uint64_t at = (uint64_t)take_number(c), ino = (uint64_t)take_number(c);

	ask_inode(NS_NOW, ino);
	ask_inode(at, ino);
	ask_inode(at, NS_ROOT);
	ask_name(NS_NOW, ino, "a");
	ask_name(at, ino, "a");
	ask_whole((int64_t)at);
}

/* --- changes -----------------------------------------------------------------
 */

static void change(struct cur *c)
{
	uint64_t dir = (uint64_t)take_number(c), ino = (uint64_t)take_number(c);
	struct result res = {.recipe = {{7}}};
	struct derived d = {.dir = dir, .name = "a", .recipe = {{7}}};
	struct addr addr = {{9}};
	struct ns_attr a = {.mode = 0644};
	unsigned how = take_u8(c);
	int rc = 0;

	switch (how % 10) {
	case 0:
		rc = ns_create(w.ns, &by, dir, "n", 1, 0100644, 0, 0, 0, NULL,
			       &a);
		break;
	case 1:
		rc = ns_link(w.ns, &by, ino, dir, "n", 1, &a);
		break;
	case 2:
		rc = ns_unlink(w.ns, &by, dir, "a", 1, how > 128, &a);
		break;
	case 3:
		rc = ns_rename(w.ns, &by, dir, "a", 1, ino, "b", 1,
			       how / 10 % 3, &a);
		break;
	case 4:
		rc = ns_setattr(w.ns, &by, ino, NS_SET_MODE | NS_SET_MTIME, &a,
				&a);
		break;
	case 5:
		rc = ns_write(w.ns, &by, ino, &addr, 5, 0, &a);
		break;
	case 6:
		rc = ns_xattr_set(w.ns, &by, ino, "a", how > 128 ? NULL : "v",
				  1, 0);
		break;
	case 7:
		rc = ns_reap(w.ns, ino);
		break;
	case 8:
		rc = results_put_derived(w.results, &by, &d, &res);
		break;
	case 9:
		rc = results_put(w.results, &res);
		break;
	}
	REQUIRE(rc <= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cur c = cur_of(data, size);
	unsigned rows, i;

	if (!w.db)
		open_rows();
	REQUIRE(db_begin(w.db) == 0);
	rows = take_u8(&c) % 16;
	for (i = 0; i < rows; i++)
		add_row(&c);
	if (take_u8(&c) > 200)
		set_counters(&c);
	ask(&c);
	for (i = 0; i < 4 && cur_left(&c); i++)
		change(&c);
	ask(&c);
	if (take_u8(&c) > 128)
		REQUIRE(ns_totals(w.ns, &(struct totals){0}) <= 0);
	db_rollback(w.db);
	return 0;
}
