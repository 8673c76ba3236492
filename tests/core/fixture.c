#include "tests/core/fixture.h"

#include <sys/stat.h>

const struct ns_by by = {.uid = 7, .pid = 42, .program = "test"};

static int64_t tick(void *ctx)
{
	struct fixture *f = ctx;

	return ++f->now;
}

static int keep(void *ctx, enum obj_kind kind, const void *p, size_t n,
		struct addr *ret)
{
	struct fixture *f = ctx;
	struct buf *b = calloc(1, sizeof(*b));
	void *old;

	ck_assert_int_eq(kind, OBJ_JOURNAL);
	buf_add(b, p, n);
	addr_of(kind, p, n, ret);
	ck_assert_int_eq(map_put(f->objects, ret, sizeof(*ret), b, &old), 0);
	ck_assert_ptr_null(old);
	return 0;
}

static int count_salt(void *ctx, void *p, size_t n)
{
	struct fixture *f = ctx;

	memset(p, 0, n);
	for (; n >= 8; n -= 8, p = (char *)p + 8)
		put_le64(p, ++f->n_salts);
	return 0;
}

static void open_parts(struct fixture *f)
{
	struct err err = {""};

	ck_assert_msg(db_open(f->path, DB_CREATE, &f->db, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(journal_open(f->db, &f->journal), 0);
	journal_set_put(f->journal, keep, f);
	journal_set_salt(f->journal, count_salt, f);
	ck_assert_msg(ns_open(f->db, 7, 8, &f->ns, &err) == 0, "%s", err.msg);
	ns_set_journal(f->ns, f->journal);
	ns_set_clock(f->ns, tick, f);
	db_lock(f->db);
	ck_assert_int_eq(db_commit(f->db), 0);
}

static void close_parts(struct fixture *f)
{
	db_rollback(f->db);
	db_unlock(f->db);
	ns_close(f->ns);
	journal_close(f->journal);
	db_close(f->db);
}

void fixture_open(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	f->dir = test_dir();
	ck_assert_int_gt(asprintf(&f->path, "%s/db", f->dir), 0);
	f->objects = map_new();
	f->now = INT64_C(4000000000) * NSEC_PER_SEC; /* behind the real one */
	open_parts(f);
}

void fixture_close(struct fixture *f)
{
	close_parts(f);
	f->ns = NULL;
}

void fixture_reopen(struct fixture *f)
{
	if (f->ns)
		close_parts(f);
	open_parts(f);
}

void fixture_done(struct fixture *f)
{
	size_t it = 0;
	void *b;

	if (f->ns)
		close_parts(f);
	while (map_next(f->objects, &it, NULL, NULL, &b)) {
		buf_done(b);
		free(b);
	}
	map_free(f->objects);
	remove_tree(f->dir);
	free(f->dir);
	free(f->path);
}

void commit(struct fixture *f)
{
	ck_assert_int_eq(db_commit(f->db), 0);
}

void run_sql(struct fixture *f, const char *sql)
{
	struct stmt *st;
	int rc = 0;

	st = db_prepare(f->db, sql, &rc);
	ck_assert_msg(st, "%s: %d", sql, rc);
	ck_assert_int_eq(stmt_run(st), 0);
	stmt_free(st);
}

/* --- short forms --------------------------------------------------------- */

static uint64_t make(struct fixture *f, uint64_t dir, const char *name,
		     uint32_t mode)
{
	struct ns_attr a;

	ck_assert_int_eq(ns_create(f->ns, &by, dir, name, strlen(name), mode, 7,
				   8, 0, NULL, &a),
			 0);
	return a.ino;
}

uint64_t make_file(struct fixture *f, uint64_t dir, const char *name)
{
	return make(f, dir, name, S_IFREG | 0644);
}

uint64_t make_dir(struct fixture *f, uint64_t dir, const char *name)
{
	return make(f, dir, name, S_IFDIR | 0755);
}

struct ns_attr attr_of(struct fixture *f, uint64_t ino)
{
	struct ns_attr a;

	ck_assert_int_eq(ns_getattr(f->ns, NS_NOW, ino, &a), 0);
	return a;
}

void set_content(struct fixture *f, uint64_t ino, const char *text)
{
	struct addr addr;
	struct ns_attr a;

	addr_of(OBJ_CHUNK, text, strlen(text), &addr);
	ck_assert_int_eq(ns_write(f->ns, &by, ino, &addr, strlen(text), 0, &a),
			 0);
}

void remove_name(struct fixture *f, uint64_t dir, const char *name)
{
	struct ns_attr gone;
	uint64_t ino;

	ck_assert_int_eq(try_lookup(f, NS_NOW, dir, name, &ino), 0);
	ck_assert_int_eq(ns_unlink(f->ns, &by, dir, name, strlen(name),
				   S_ISDIR(attr_of(f, ino).mode), &gone),
			 0);
	if (!gone.nlink)
		ck_assert_int_eq(ns_reap(f->ns, ino), 0);
}

int try_lookup(struct fixture *f, uint64_t at, uint64_t dir, const char *name,
	       uint64_t *ret_ino)
{
	return ns_lookup(f->ns, at, dir, name, strlen(name), ret_ino, NULL);
}

int try_rename(struct fixture *f, uint64_t dir, const char *name,
	       uint64_t to_dir, const char *to, unsigned flags)
{
	struct ns_attr gone;
	int rc;

	rc = ns_rename(f->ns, &by, dir, name, strlen(name), to_dir, to,
		       strlen(to), flags, &gone);
	if (rc == 0 && gone.ino && !gone.nlink)
		rc = ns_reap(f->ns, gone.ino);
	return rc;
}

/* --- the tree as text ---------------------------------------------------- */

void dump_line(struct buf *b, const char *path, const struct ns_attr *a,
	       const char *target)
{
	char hex[ADDR_HEX];

	addr_hex(&a->addr, hex);
	buf_fmt(b,
		"%s ino=%ju mode=%o nlink=%u uid=%u gid=%u rdev=%ju "
		"size=%ju mtime=%jd addr=%.8s %s\n",
		path, (uintmax_t)a->ino, a->mode, a->nlink, a->uid, a->gid,
		(uintmax_t)a->rdev, (uintmax_t)a->size, (intmax_t)a->mtime_ns,
		hex, target);
}

struct walk {
	struct ns *ns;
	uint64_t at;
	const char *path;
	struct buf *out;
};

static void dump_below(struct ns *ns, uint64_t at, const char *path,
		       uint64_t dir, struct buf *out);

static int dump_entry(void *ctx, const struct ns_entry *e)
{
	CLEANUP_BUF struct buf target = BUF_INIT;
	struct walk *w = ctx;
	struct ns_attr a;
	char *path;

	ck_assert_int_eq(ns_getattr(w->ns, w->at, e->ino, &a), 0);
	ck_assert_uint_eq(a.mode, e->mode);
	if (S_ISLNK(a.mode))
		ck_assert_int_eq(ns_readlink(w->ns, w->at, e->ino, &target), 0);
	ck_assert_int_gt(asprintf(&path, "%s/%s", w->path, e->name), 0);
	dump_line(w->out, path, &a, buf_cstr(&target));
	if (S_ISDIR(a.mode))
		dump_below(w->ns, w->at, path, e->ino, w->out);
	free(path);
	return 0;
}

/* Lists within a listing: listings nest. */
static void dump_below(struct ns *ns, uint64_t at, const char *path,
		       uint64_t dir, struct buf *out)
{
	struct walk w = {ns, at, path, out};

	ck_assert_int_eq(ns_list(ns, at, dir, NULL, 0, dump_entry, &w), 0);
}

void dump_tree(struct ns *ns, uint64_t at, struct buf *ret)
{
	struct ns_attr root;

	ck_assert_int_eq(ns_getattr(ns, at, NS_ROOT, &root), 0);
	dump_line(ret, "/", &root, "");
	dump_below(ns, at, "", NS_ROOT, ret);
}
