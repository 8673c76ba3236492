/* Why: a disk changes bytes in whatever way it likes. A store with a history is
 * damaged at random, hundreds of times; each time nobody may be handed a wrong
 * byte, the check must name every content that cannot be read, and the repair
 * must bring back what can be had, with the tree at every moment as it was.
 *
 * DERIVA_CORRUPT_ROUNDS says how many rounds (default 40), DERIVA_CORRUPT_SEED
 * which is the first; the seed of a round that fails is printed. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "cas/fsck.h"
#include "core/journal.h"
#include "core/ns.h"
#include "core/results.h"
#include "tests/cas/util.h"
#include "tests/core/fixture.h"

#define CONTENTS 64
#define MOMENTS	 600

struct content {
	struct addr addr;
	uint8_t *bytes;
	size_t size;
	bool version; /* of a file; else of a result */
	bool readable, told;
};

static struct content contents[CONTENTS];
static int n_contents;
static char *moments[MOMENTS];
static uint64_t last_seq;
static char *pristine;
static uint64_t seed;

static uint64_t rnd(uint64_t n)
{
	return splitmix(&seed) % n;
}

static void copy(const char *from, const char *to)
{
	CLEANUP_BUF struct buf cmd = BUF_INIT;

	buf_fmt(&cmd, "cp -a %s %s", from, to);
	ck_assert_int_eq(system(buf_cstr(&cmd)), 0);
}

static void copy_tree(const char *from, const char *to)
{
	CLEANUP_BUF struct buf all = BUF_INIT;

	buf_fmt(&all, "%s/.", from);
	copy(buf_cstr(&all), to);
}

static void drop_dir(char *dir)
{
	remove_tree(dir);
	free(dir);
}

/* --- a store with a history --------------------------------------------------
 */

struct open_store {
	struct store *s;
	struct db *db;
	struct ns *ns;
	struct journal *j;
	struct results *r;
};

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static int rows_open(struct open_store *o)
{
	int rc;

	o->db = store_db(o->s);
	db_lock(o->db);
	rc = ns_open(o->db, 1, 1, &o->ns, NULL);
	if (!rc)
		rc = journal_open(o->db, &o->j);
	if (!rc) {
		journal_set_put(o->j, put_journal, o->s);
		ns_set_journal(o->ns, o->j);
		rc = results_open(o->db, o->ns, &o->r);
	}
	if (!rc)
		rc = db_commit(o->db);
	db_unlock(o->db);
	return rc;
}

static int open_all(const char *dir, int flags, struct open_store *o)
{
	*o = (struct open_store){NULL, NULL, NULL, NULL, NULL};
	int rc = store_open(dir, flags, &o->s, NULL);

	return rc ? rc : rows_open(o);
}

static void close_all(struct open_store *o)
{
	int rc;

	results_close(o->r);
	ns_close(o->ns);
	journal_close(o->j);
	rc = store_close(o->s);
	(void)rc; /* on a damaged one it may well fail */
}

static const struct addr *add_content(struct open_store *o, bool version)
{
	static const size_t sizes[] = {0, 10, 3000, 70000, 300000, 900000};
	struct content *c = &contents[n_contents];
	uint64_t kind = rnd(ARRAY_LEN(sizes));

	ck_assert_int_lt(n_contents++, CONTENTS);
	c->size = sizes[kind] + (kind ? rnd(500) : 0);
	c->bytes = rnd(2) ? random_bytes(c->size, splitmix(&seed))
			  : text_bytes(c->size, splitmix(&seed));
	c->version = version;
	ck_assert_int_eq(blob_put(o->s, c->bytes, c->size, &c->addr), 0);
	return &c->addr;
}

static void write_file(struct open_store *o, uint64_t ino)
{
	const struct addr *a = add_content(o, true);
	struct ns_attr attr;

	ck_assert_int_eq(ns_write(o->ns, &by, ino, a,
				  contents[n_contents - 1].size, 0, &attr),
			 0);
}

static void add_result(struct open_store *o, uint64_t dir, const char *name)
{
	struct result res = {.size = 0};
	struct derived d = {.dir = dir, .ran = true};

	res.addr = *add_content(o, false);
	res.size = contents[n_contents - 1].size;
	res.wall_ns = 1000;
	addr_of(OBJ_RECIPE, &n_contents, sizeof(n_contents), &res.recipe);
	snprintf(d.name, sizeof(d.name), "%s", name);
	d.recipe = res.recipe;
	d.addr = res.addr;
	d.size = res.size;
	ck_assert_int_eq(results_put(o->r, &res), 0);
	ck_assert_int_eq(results_put_derived(o->r, &by, &d, &res), 0);
}

/* One process's work: what it puts lies in a pack of its own. */
static void work(struct open_store *o, int session)
{
	struct ns_attr dir, file, gone;
	char name[32];
	int i;

	snprintf(name, sizeof(name), "dir%d", session);
	ck_assert_int_eq(ns_create(o->ns, &by, NS_ROOT, name, strlen(name),
				   S_IFDIR | 0751, 5, 6, 0, NULL, &dir),
			 0);
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		ck_assert_int_eq(ns_create(o->ns, &by, dir.ino, name,
					   strlen(name), S_IFREG | 0640, 5, 6,
					   0, NULL, &file),
				 0);
		write_file(o, file.ino);
		if (!rnd(3))
			write_file(o, file.ino);
		if (!rnd(3))
			ck_assert_int_eq(ns_xattr_set(o->ns, &by, file.ino,
						      "user.x", name,
						      strlen(name), 0),
					 0);
		if (!rnd(4))
			ck_assert_int_eq(ns_rename(o->ns, &by, dir.ino, name,
						   strlen(name), NS_ROOT, name,
						   strlen(name), 0, &gone),
					 0);
		else if (!rnd(4))
			ck_assert_int_eq(ns_unlink(o->ns, &by, dir.ino, name,
						   strlen(name), false, &gone),
					 0);
		else if (!rnd(3))
			add_result(o, dir.ino, name);
		if (!rnd(3))
			ck_assert_int_eq(db_commit(o->db), 0);
	}
	ck_assert_int_eq(ns_create(o->ns, &by, dir.ino, "link", 4,
				   S_IFLNK | 0777, 5, 6, 0, "file1", &file),
			 0);
}

static void note_moments(struct open_store *o)
{
	uint64_t seq;

	last_seq = ns_last_change(o->ns);
	ck_assert_uint_lt(last_seq, MOMENTS);
	for (seq = 1; seq <= last_seq; seq++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		dump_tree(o->ns, seq, &b);
		free(moments[seq]);
		moments[seq] = strdup(buf_cstr(&b));
	}
}

/* The copy is made while it is open, so that it has a log, as after a crash. */
static void make_pristine(void)
{
	char *dir = test_dir();
	struct open_store o;
	int i;

	pristine = test_dir();
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(open_all(dir, STORE_CREATE, &o), 0);
		db_lock(o.db);
		work(&o, i);
		ck_assert_int_eq(db_commit(o.db), 0);
		note_moments(&o);
		db_unlock(o.db);
		ck_assert_int_eq(store_sync(o.s), 0);
		if (i == 2)
			copy_tree(dir, pristine);
		close_all(&o);
	}
	drop_dir(dir);
}

/* --- damage -----------------------------------------------------------------
 */

static char *random_file(const char *dir)
{
	char names[64][300];
	struct dirent *e;
	char *path;
	uint64_t n = 0;
	DIR *d;

	switch (rnd(8)) {
	case 0:
		snprintf(names[n++], 300, "deriva.db-wal");
		break;
	case 1:
	case 2:
		snprintf(names[n++], 300, "deriva.db");
		break;
	case 3:
		snprintf(names[n++], 300, "deriva.db-mark");
		break;
	default:
		ck_assert_int_gt(asprintf(&path, "%s/packs", dir), 0);
		d = opendir(path);
		free(path);
		ck_assert_ptr_nonnull(d);
		while ((e = readdir(d)) && n < 64)
			if (e->d_name[0] != '.')
				snprintf(names[n++], 300, "packs/%s",
					 e->d_name);
		closedir(d);
	}
	if (!n)
		return NULL;
	ck_assert_int_gt(asprintf(&path, "%s/%s", dir, names[rnd(n)]), 0);
	return path;
}

static void swap_ranges(int fd, uint64_t a, uint64_t b, size_t n, bool both)
{
	uint8_t *x = malloc(n + 1), *y = malloc(n + 1);

	ck_assert_int_ge(pread(fd, x, n, (off_t)a), 0);
	ck_assert_int_ge(pread(fd, y, n, (off_t)b), 0);
	ck_assert_int_ge(pwrite(fd, x, n, (off_t)b), 0);
	if (both)
		ck_assert_int_ge(pwrite(fd, y, n, (off_t)a), 0);
	free(x);
	free(y);
}

static void rename_pack(const char *path, bool keep)
{
	CLEANUP_BUF struct buf to = BUF_INIT;
	int i;

	if (!strstr(path, "/packs/"))
		return;
	buf_add(&to, path, strlen(path) - 37);
	for (i = 0; i < 32; i++)
		buf_fmt(&to, "%x", (unsigned)rnd(16));
	buf_str(&to, ".pack");
	if (keep)
		copy(path, buf_cstr(&to));
	else
		ck_assert_int_eq(rename(path, buf_cstr(&to)), 0);
}

static void damage_one(const char *dir)
{
	static const uint8_t zeros[6000];
	CLEANUP_FREE char *path = random_file(dir);
	CLEANUP_CLOSE int fd = -1;
	uint64_t size, at;
	struct stat st;
	size_t n;

	if (!path || chmod(path, 0600) < 0)
		return;
	fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	size = (uint64_t)st.st_size;
	at = size ? rnd(size) : 0;
	n = 1 + rnd(MIN(size + 1, UINT64_C(5000)));
	n = (size_t)MIN((uint64_t)n, size - at);
	switch (rnd(10)) {
	case 0:
	case 1:
	case 2:
		if (size)
			flip_byte(fd, at, (uint8_t)(1U << rnd(8)));
		break;
	case 3:
		ck_assert_int_ge(pwrite(fd, zeros, n, (off_t)at), 0);
		break;
	case 4:
		ck_assert_int_eq(ftruncate(fd, (off_t)at), 0);
		break;
	case 5:
		swap_ranges(fd, at, rnd(size - n + 1), n, true);
		break;
	case 6:
		swap_ranges(fd, at, rnd(size - n + 1), n, false);
		break;
	case 7:
		ck_assert_int_ge(pwrite(fd, path, strlen(path), (off_t)size),
				 0);
		break;
	case 8:
		if (!rnd(3))
			ck_assert_int_eq(unlink(path), 0);
		break;
	case 9:
		rename_pack(path, rnd(2));
		break;
	}
}

/* --- reading ----------------------------------------------------------------
 */

/* All right, or an error; never other bytes. */
static bool reads(struct store *s, const struct content *c)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	CLEANUP_FREE uint8_t *got = malloc(c->size + 1);
	ssize_t n;

	if (blob_open(s, &c->addr, &b))
		return false;
	ck_assert_uint_eq(blob_size(b), c->size);
	n = blob_pread(b, got, c->size + 1, 0);
	if (n < 0)
		return false;
	ck_assert_int_eq(n, c->size);
	ck_assert(!memcmp(got, c->bytes, c->size));
	return true;
}

static bool read_contents(struct store *s)
{
	bool all = true;
	int i;

	for (i = 0; i < n_contents; i++) {
		contents[i].readable = s && reads(s, &contents[i]);
		all = all && contents[i].readable;
	}
	return all;
}

struct lister {
	struct ns *ns;
	uint64_t at;
	int rc;
};

/* Whether everything can be listed: dump_tree() wants no failures. */
static int can_list(void *ctx, const struct ns_entry *e)
{
	struct lister *l = ctx;
	CLEANUP_BUF struct buf target = BUF_INIT;
	struct ns_attr a;

	l->rc = ns_getattr(l->ns, l->at, e->ino, &a);
	if (!l->rc && S_ISLNK(e->mode))
		l->rc = ns_readlink(l->ns, l->at, e->ino, &target);
	if (!l->rc && S_ISDIR(e->mode)) {
		l->rc = ns_list(l->ns, l->at, e->ino, NULL, 0, can_list, l);
	}
	return l->rc;
}

/* Moments that can be read are as they were (but where changes are lost, which
 * was said). False: some cannot. */
static bool moments_agree(struct ns *ns, bool lost)
{
	struct lister l = {.ns = ns};
	struct ns_change c;
	struct ns_attr root;
	bool all = true;

	for (l.at = 1; l.at <= ns_last_change(ns); l.at++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		/* what was not synced may look cut off by a power cut: then the
		 * history went back when the store was opened */
		if (!lost && (ns_change(ns, l.at, &c) == -ENOENT ||
			      c.op == NS_OP_ROLLBACK))
			lost = true;

		if (ns_getattr(ns, l.at, NS_ROOT, &root) ||
		    ns_list(ns, l.at, NS_ROOT, NULL, 0, can_list, &l)) {
			all = false;
			continue;
		}
		dump_tree(ns, l.at, &b);
		if (lost)
			continue;
		ck_assert_uint_le(l.at, last_seq);
		ck_assert_str_eq(buf_cstr(&b), moments[l.at]);
	}
	return all;
}

/* --- the check ---------------------------------------------------------------
 */

struct told {
	unsigned damaged, left, rows_damaged, rows_left;
};

static void on_found(void *ctx, const struct fsck_finding *f)
{
	struct told *t = ctx;
	int i;

	if (getenv("DERIVA_CORRUPT_TELL")) {
		printf("# %d %d %s: %s @%ju\n", f->kind, f->state, f->where,
		       f->what, (uintmax_t)f->change);
		fflush(stdout);
	}
	t->damaged += f->state == FSCK_DAMAGED;
	t->left += f->state == FSCK_LEFT;
	t->rows_damaged += f->state == FSCK_DAMAGED && f->kind == FSCK_ROWS;
	t->rows_left += f->state == FSCK_LEFT &&
			(f->kind == FSCK_ROWS || f->kind == FSCK_JOURNAL);
	for (i = 0; f->kind == FSCK_FILE && i < n_contents; i++)
		if (addr_eq(f->addr, &contents[i].addr))
			contents[i].told = true;
}

static struct told check(const char *dir, bool repair, bool *ret_opens)
{
	struct told t = {0};
	struct fsck_host host = {.ctx = &t, .found = on_found};
	struct fsck *f;
	struct err err;
	int i, rc;

	for (i = 0; i < n_contents; i++)
		contents[i].told = false;
	rc = fsck_open(dir, &host, &f, &err);
	*ret_opens = !rc;
	if (rc)
		return t;
	ck_assert_int_eq(fsck_check(f), 0);
	if (repair && t.damaged) {
		for (i = 0; i < n_contents; i++)
			contents[i].told = false;
		ck_assert_msg(fsck_repair(f, &err) == 0, "%s", err.msg);
		ck_assert_int_eq(fsck_left(f), 0);
	}
	fsck_close(f);
	return t;
}

/* --- rounds ------------------------------------------------------------------
 */

struct seen {
	bool opens;    /* the store does */
	bool rows;     /* and every moment can be read */
	bool all;      /* and every content */
	uint64_t upto; /* the last change that it knows */
};

static struct seen look(const char *dir, bool lost)
{
	struct seen seen = {0};
	struct open_store o;

	seen.opens = !open_all(dir, 0, &o);
	if (seen.opens) {
		db_lock(o.db);
		seen.upto = ns_last_change(o.ns);
		seen.rows = moments_agree(o.ns, lost);
		db_unlock(o.db);
	}
	seen.all = read_contents(o.s) && seen.rows;
	close_all(&o);
	return seen;
}

/* What cannot be read is put again. */
static void put_back(const char *dir)
{
	struct open_store o;
	struct addr a;
	int i;

	ck_assert_int_eq(open_all(dir, 0, &o), 0);
	for (i = 0; i < n_contents; i++) {
		ck_assert_int_eq(blob_put(o.s, contents[i].bytes,
					  contents[i].size, &a),
				 0);
		ck_assert(addr_eq(&a, &contents[i].addr));
		ck_assert(reads(o.s, &contents[i]));
	}
	close_all(&o);
}

static void round_of(const char *dir)
{
	struct seen before, after;
	struct told t;
	bool opens;
	int i;

	before = look(dir, false);
	t = check(dir, false, &opens);
	ck_assert(opens);
	if (!before.opens || !before.rows)
		ck_assert_uint_gt(t.damaged, 0);
	for (i = 0; before.rows && !t.rows_damaged && i < n_contents; i++)
		if (contents[i].version && before.upto == last_seq)
			ck_assert_msg(contents[i].readable || contents[i].told,
				      "content %d is not told", i);
	t = check(dir, true, &opens);
	after = look(dir, t.rows_left);
	ck_assert(after.opens);
	if (!t.rows_left && t.damaged)
		ck_assert(after.rows);
	for (i = 0; !t.rows_left && i < n_contents; i++) {
		ck_assert_msg(!before.opens || !contents[i].readable ||
				      !contents[i].told,
			      "content %d can be read, and is said to be lost",
			      i);
		if (contents[i].version && after.upto == last_seq)
			ck_assert_msg(contents[i].readable || contents[i].told,
				      "content %d is lost, and not told", i);
	}
	put_back(dir);
	t = check(dir, false, &opens);
	for (i = 0; i < n_contents; i++)
		ck_assert_msg(!contents[i].told, "content %d did not heal", i);
	if (!t.rows_left && t.damaged) {
		t = check(dir, true, &opens);
		t = check(dir, false, &opens);
		ck_assert_uint_eq(t.damaged, 0);
	}
}

START_TEST(store_survives_whatever_happens_to_its_bytes)
{
	const char *first = getenv("DERIVA_CORRUPT_SEED");
	const char *rounds = getenv("DERIVA_CORRUPT_ROUNDS");
	uint64_t start = first ? strtoull(first, NULL, 10) : 1, i, n;
	uint64_t count = rounds ? strtoull(rounds, NULL, 10) : 40;

	quiet(); /* a line for each byte that was changed */
	seed = 4711;
	make_pristine();
	for (i = start; i < start + count; i++) {
		char *dir = test_dir();

		printf("# seed %ju\n", (uintmax_t)i);
		fflush(stdout);
		seed = i * UINT64_C(0x9e3779b97f4a7c15);
		copy_tree(pristine, dir);
		for (n = 1 + rnd(3); n; n--)
			damage_one(dir);
		round_of(dir);
		drop_dir(dir);
	}
	drop_dir(pristine);
	for (i = 0; i < MOMENTS; i++)
		free(moments[i]);
	for (i = 0; i < (uint64_t)n_contents; i++)
		free(contents[i].bytes);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("corrupt");
	TCase *tc = tcase_create("corrupt");

	tcase_add_test(tc, store_survives_whatever_happens_to_its_bytes);
	tcase_set_timeout(tc, 0);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
