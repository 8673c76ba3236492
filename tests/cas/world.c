#include "tests/cas/world.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "cas/codec.h"
#include "core/tip.h"
#include "tests/lib/harness.h"

static const struct ns_by by = {.uid = 7, .pid = 42, .program = "world"};

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static int open_rows(struct world *w, struct err *err)
{
	struct db *db = store_db(w->store);
	int rc;

	db_lock(db);
	rc = ns_open(db, 7, 8, &w->ns, err);
	if (!rc)
		rc = journal_open(db, &w->journal);
	if (rc)
		return rc;
	journal_set_put(w->journal, put_journal, w->store);
	ns_set_journal(w->ns, w->journal);
	rc = results_open(db, w->ns, &w->results);
	w->opened_at = ns_last_change(w->ns);
	if (!rc)
		rc = db_commit(db);
	return rc ? err_set(err, rc, "%s", err_name(rc)) : 0;
}

int world_try(struct world *w, const char *dir, int flags, struct err *err)
{
	int rc;

	memset(w, 0, sizeof(*w));
	rc = store_open(dir, flags, &w->store, err);
	if (rc)
		return rc;
	rc = open_rows(w, err);
	if (rc)
		world_drop(w);
	return rc;
}

void world_open(struct world *w, const char *dir)
{
	struct err err = {{0}};
	int rc = world_try(w, dir, STORE_CREATE, &err);

	ck_assert_msg(!rc, "%s", err.msg);
}

static int close_world(struct world *w)
{
	struct db *db = store_db(w->store);
	int rc = db_commit(db);

	results_close(w->results);
	ns_close(w->ns);
	journal_close(w->journal);
	db_unlock(db);
	return store_close(w->store) < 0 ? -EIO : rc;
}

void world_close(struct world *w)
{
	ck_assert_int_eq(close_world(w), 0);
}

void world_drop(struct world *w)
{
	(void)!close_world(w);
}

/* --- writing -------------------------------------------------------------- */

static int lookup(struct world *w, const char *name, uint64_t *ret)
{
	return ns_lookup(w->ns, NS_NOW, NS_ROOT, name, strlen(name), ret, NULL);
}

int world_try_write(struct world *w, const char *name, const void *p, size_t n)
{
	struct ns_attr a;
	struct addr addr;
	uint64_t ino;
	int rc = blob_put(w->store, p, n, &addr);

	if (rc)
		return rc;
	rc = lookup(w, name, &ino);
	if (rc == -ENOENT) {
		rc = ns_create(w->ns, &by, NS_ROOT, name, strlen(name),
			       S_IFREG | 0644, 7, 8, 0, NULL, &a);
		ino = a.ino;
	}
	return rc ? rc : ns_write(w->ns, &by, ino, &addr, n, 0, &a);
}

void world_write(struct world *w, const char *name, const void *p, size_t n)
{
	ck_assert_int_eq(world_try_write(w, name, p, n), 0);
}

static void reap(struct world *w, const struct ns_attr *gone)
{
	if (gone->ino && !gone->nlink)
		ck_assert_int_eq(ns_reap(w->ns, gone->ino), 0);
}

void world_rename(struct world *w, const char *name, const char *to)
{
	struct ns_attr gone = {.ino = 0};
	int rc = ns_rename(w->ns, &by, NS_ROOT, name, strlen(name), NS_ROOT, to,
			   strlen(to), 0, &gone);

	ck_assert(!rc || rc == -ENOENT);
	if (!rc)
		reap(w, &gone);
}

void world_unlink(struct world *w, const char *name)
{
	struct ns_attr gone;
	int rc = ns_unlink(w->ns, &by, NS_ROOT, name, strlen(name), false,
			   &gone);

	ck_assert(!rc || rc == -ENOENT);
	if (!rc)
		reap(w, &gone);
}

void world_xattr(struct world *w, const char *name, unsigned i)
{
	uint64_t ino;

	if (!lookup(w, name, &ino))
		ck_assert_int_eq(ns_xattr_set(w->ns, &by, ino, "user.x", &i,
					      sizeof(i), 0),
				 0);
}

void world_mkdir(struct world *w, unsigned i)
{
	struct ns_attr a;
	char name[32];
	int rc;

	snprintf(name, sizeof(name), "d%u", i % 5);
	rc = ns_create(w->ns, &by, NS_ROOT, name, strlen(name), S_IFDIR | 0755,
		       7, 8, 0, NULL, &a);
	if (rc == -EEXIST) {
		rc = ns_unlink(w->ns, &by, NS_ROOT, name, strlen(name), true,
			       &a);
		if (!rc)
			reap(w, &a);
	}
	ck_assert_int_eq(rc, 0);
}

void world_result(struct world *w, unsigned i)
{
	struct derived d = {.dir = NS_ROOT, .ran = true};
	struct result res = {.wall_ns = i, .when_ns = i + 1};
	char text[64];
	size_t n;

	n = (size_t)snprintf(text, sizeof(text), "the result number %u", i);
	addr_of(OBJ_RECIPE, text, n, &res.recipe);
	ck_assert_int_eq(blob_put(w->store, text, n, &res.addr), 0);
	res.size = n;
	ck_assert_int_eq(results_put(w->results, &res), 0);
	snprintf(d.name, sizeof(d.name), "r%u", i % 4);
	d.recipe = res.recipe;
	d.addr = res.addr;
	d.size = n;
	ck_assert_int_eq(results_put_derived(w->results, &by, &d, &res), 0);
}

void world_checkpoint(struct world *w)
{
	int rc;
	struct stmt *s =
		db_prepare(store_db(w->store), "PRAGMA wal_checkpoint", &rc);

	ck_assert_ptr_nonnull(s);
	(void)!stmt_step(s); /* the log stays as it is */
	stmt_free(s);
}

/* --- looking -------------------------------------------------------------- */

struct dump {
	struct world *w;
	struct buf *b;
};

static int dump_name(void *ctx, const struct ns_entry *e)
{
	CLEANUP_BUF struct buf x = BUF_INIT;
	struct dump *d = ctx;
	char hex[ADDR_HEX];
	struct ns_attr a;
	size_t i;

	ck_assert_int_eq(ns_getattr(d->w->ns, NS_NOW, e->ino, &a), 0);
	addr_hex(&a.addr, hex);
	buf_fmt(d->b, "%s %ju %o %u %ju %jd %.16s", e->name, (uintmax_t)a.ino,
		a.mode, a.nlink, (uintmax_t)a.size, (intmax_t)a.mtime_ns, hex);
	if (!ns_xattr_get(d->w->ns, e->ino, "user.x", &x))
		for (i = 0; i < x.len; i++)
			buf_fmt(d->b, " %02x", x.data[i]);
	buf_str(d->b, "\n");
	return 0;
}

void world_dump(struct world *w, struct buf *ret)
{
	struct dump d = {w, ret};
	char hex[ADDR_HEX], name[16];
	struct derived row;
	struct totals t;
	struct ns_attr a;
	unsigned i;

	ck_assert_int_eq(ns_getattr(w->ns, NS_NOW, NS_ROOT, &a), 0);
	buf_fmt(ret, "/ %o %u\n", a.mode, a.nlink);
	ck_assert_int_eq(ns_list(w->ns, NS_NOW, NS_ROOT, NULL, 0, dump_name,
				 &d),
			 0);
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "r%u", i);
		if (results_derived(w->results, NS_NOW, NS_ROOT, name,
				    strlen(name), &row))
			continue;
		addr_hex(&row.addr, hex);
		buf_fmt(ret, "%s = %.16s %jd\n", name, hex,
			(intmax_t)row.since_ns);
	}
	ck_assert_int_eq(ns_totals(w->ns, &t), 0);
	buf_fmt(ret, "%ju files, %ju directories, %ju bytes, %ju versions\n",
		(uintmax_t)t.files, (uintmax_t)t.dirs, (uintmax_t)t.bytes,
		(uintmax_t)t.versions);
	ck_assert_int_eq(buf_err(ret), 0);
}

static int read_object(void *ctx, const struct addr *a,
		       const struct object_loc *loc)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct world *w = ctx;
	int rc = store_get(w->store, a, NULL, &b);

	ck_assert_msg(!rc, "an object in pack %u at %ju: %s", loc->pack,
		      (uintmax_t)loc->offset, err_name(rc));
	return 0;
}

static void read_blob(struct world *w, const struct addr *a, uint64_t size)
{
	struct blob *b;
	uint8_t *p;
	int rc;

	if (addr_is_zero(a))
		return;
	rc = blob_open(w->store, a, &b);
	ck_assert_msg(!rc, "a content cannot be opened: %s", err_name(rc));
	ck_assert_uint_eq(blob_size(b), size);
	p = malloc(size + 1);
	ck_assert_int_eq(blob_pread(b, p, size, 0), (ssize_t)size);
	free(p);
	blob_close(b);
}

static int read_version(void *ctx, const struct ns_version *v)
{
	if (!v->attr.gone)
		read_blob(ctx, &v->attr.addr,
			  S_ISREG(v->attr.mode) ? v->attr.size : 0);
	return 0;
}

static int read_derived(void *ctx, const struct derived *d)
{
	read_blob(ctx, &d->addr, d->size);
	return 0;
}

static int read_result(void *ctx, const struct result *res)
{
	read_blob(ctx, &res->addr, res->size);
	return 0;
}

static int no_journal(void *ctx, const void *record, size_t len)
{
	uint64_t *highest = ctx;

	*highest = MAX(*highest, get_le64(record));
	return 0;
}

static void scan_pack(int packs, const char *name, const uint8_t *id)
{
	int fd = openat(packs, name, O_RDONLY | O_CLOEXEC);
	struct pack_damage d;
	struct pack_scan *s;
	struct record r;
	uint64_t off;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pack_scan_new(fd, id, &s), 0);
	while (pack_scan_next(s, &r, &off) > 0)
		;
	pack_scan_damage(s, &d);
	ck_assert_msg(!d.bytes && !d.torn && !d.header,
		      "%s: %ju bytes are no record, %ju are torn%s", name,
		      (uintmax_t)d.bytes, (uintmax_t)d.torn,
		      d.header ? ", and its header is damaged" : "");
	pack_scan_free(s);
	close(fd);
}

static void check_packs(struct world *w)
{
	DIR *d = fdopendir(openat(store_packs_fd(w->store), ".",
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	uint8_t id[PACK_ID_LEN];
	struct dirent *e;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		if (pack_parse_name(e->d_name, id))
			scan_pack(dirfd(d), e->d_name, id);
	closedir(d);
}

/* From the head back to the first; the highest number in it. */
static uint64_t check_chain(struct world *w)
{
	CLEANUP_BUF struct buf b = BUF_INIT, clear = BUF_INIT;
	uint64_t highest = 0, top = 0, seq = 0;
	struct journal_info info;
	struct addr a;
	int rc = journal_head(w->journal, &a, &seq);

	for (; !rc && !addr_is_zero(&a); a = info.prev) {
		ck_assert_int_eq(store_get(w->store, &a, NULL, &b), 0);
		highest = 0;
		ck_assert_int_eq(journal_decode(b.data, b.len, &info,
						no_journal, &highest),
				 0);
		ck_assert_int_eq(store_get(w->store, &info.clear, NULL, &clear),
				 0);
		ck_assert_int_eq(journal_check(b.data, b.len, clear.data,
					       clear.len),
				 0);
		ck_assert(!top || highest < top);
		top = info.first_seq;
		if (seq) {
			ck_assert_uint_eq(highest, seq);
			seq = 0;
		}
	}
	return 0;
}

static void check_database(struct world *w)
{
	int rc;
	struct stmt *s =
		db_prepare(store_db(w->store), "PRAGMA quick_check", &rc);
	const char *said;
	size_t n;

	ck_assert_ptr_nonnull(s);
	ck_assert_int_eq(stmt_step(s), 1);
	said = stmt_col_blob(s, 0, &n);
	ck_assert_msg(n == 2 && !memcmp(said, "ok", 2), "%.*s", (int)n, said);
	stmt_free(s);
}

void world_check(struct world *w)
{
	check_database(w);
	ck_assert_int_eq(objects_iterate(store_objects(w->store), read_object,
					 w),
			 0);
	check_packs(w);
	check_chain(w);
	ck_assert_int_eq(ns_versions_between(w->ns, 0, NS_NOW, read_version, w),
			 0);
	ck_assert_int_eq(results_each_derived(w->results, read_derived, w), 0);
	ck_assert_int_eq(results_each(w->results, read_result, w), 0);
}

/* --- going on ------------------------------------------------------------- */

/* Without asking the index. */
static bool read_record(int fd, uint64_t off, const struct record *r,
			struct buf *ret)
{
	struct codec_pool *pool = codec_pool_new();
	struct codec *codec = codec_take(pool);
	void *stored = codec_scratch(codec, r->stored), *raw;
	bool ok;

	buf_reset(ret);
	raw = buf_room(ret, r->raw);
	ok = pread(fd, stored, r->stored, (off_t)(off + RECORD_HEADER_LEN)) ==
	     (ssize_t)r->stored;
	if (ok && r->codec == CODEC_RAW)
		memcpy(raw, stored, r->raw);
	else if (ok)
		ok = !codec_decode(codec, stored, r->stored, raw, r->raw);
	ret->len = r->raw;
	codec_give(pool, codec);
	codec_pool_free(pool);
	return ok;
}

/* The highest number that any journal in any pack has, chain or no chain. */
static uint64_t highest_number(struct world *w)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	DIR *d = fdopendir(openat(store_packs_fd(w->store), ".",
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	uint8_t id[PACK_ID_LEN];
	struct journal_info info;
	struct pack_scan *s;
	uint64_t off, highest = 0;
	struct dirent *e;
	struct record r;
	int fd;

	while ((e = readdir(d))) {
		if (!pack_parse_name(e->d_name, id))
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		ck_assert_int_eq(pack_scan_new(fd, id, &s), 0);
		while (pack_scan_next(s, &r, &off) > 0)
			if (r.kind == OBJ_JOURNAL &&
			    read_record(fd, off, &r, &b))
				(void)!journal_decode(b.data, b.len, &info,
						      no_journal, &highest);
		pack_scan_free(s);
		close(fd);
	}
	closedir(d);
	return highest;
}

void world_goes_on(struct world *w)
{
	uint64_t ino, highest = highest_number(w);
	struct ns_attr a;

	world_write(w, "after", "after", 5);
	ck_assert_uint_gt(ns_last_change(w->ns), highest);
	ck_assert_int_eq(store_sync(w->store), 0);
	ck_assert_int_eq(lookup(w, "after", &ino), 0);
	ck_assert_int_eq(ns_getattr(w->ns, NS_NOW, ino, &a), 0);
	read_blob(w, &a.addr, 5);
}

bool world_rolled_back(struct world *w)
{
	struct ns_change c;

	return !ns_change(w->ns, w->opened_at, &c) && c.op == NS_OP_ROLLBACK;
}
