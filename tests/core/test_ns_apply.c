/* Why: a set of edits has to come out as doing its steps one by one would, and
 * be one change for everybody: the past, the journal, a rebuilt database. At
 * random: a tree is changed step by step, then taken to one of its past moments
 * by edits alone, whatever moved where in between, and has to be what it was;
 * and sets that make no tree have to leave everything as it is. */
#include "core/ns_apply.h"

#include <stdio.h>
#include <sys/stat.h>

#include "core/check.h"
#include "core/ns_internal.h"
#include "core/rebuild.h"
#include "tests/core/fixture.h"

#define ROUNDS	25
#define STEPS	25
#define DIRS	24
#define MOMENTS (ROUNDS * (STEPS + 2))

static struct fixture f;
static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

static uint64_t apply(struct ns_edits *e, int want)
{
	uint64_t seq = 0;

	ck_assert_int_eq(ns_apply(f.ns, &by, NS_OP_MERGE, e,
				  (struct ns_also){0}, &seq),
			 want);
	return seq;
}

static void name(struct ns_edits *e, uint64_t dir, const char *s, uint64_t ino)
{
	ck_assert_int_eq(ns_edits_name(e, dir, s, strlen(s), ino), 0);
}

/* --- a tree as a table --------------------------------------------------- */

struct row {
	uint64_t dir, ino;
	char name[16];
};
struct table {
	struct row rows[4000];
	size_t n;
	uint64_t at, dir;
};

static void fill(struct table *t, uint64_t at, uint64_t dir);

static int add_row(void *ctx, const struct ns_entry *e)
{
	struct table *t = ctx;
	struct row *r = &t->rows[t->n++];

	ck_assert_uint_lt(t->n, ARRAY_LEN(t->rows));
	r->dir = t->dir;
	r->ino = e->ino;
	memcpy(r->name, e->name, e->len + 1);
	return 0;
}

static void fill(struct table *t, uint64_t at, uint64_t dir)
{
	size_t i = t->n;
	struct ns_attr a;

	t->at = at;
	t->dir = dir;
	ck_assert_int_eq(ns_list(f.ns, at, dir, NULL, 0, add_row, t), 0);
	for (size_t end = t->n; i < end; i++) {
		ck_assert_int_eq(ns_getattr(f.ns, at, t->rows[i].ino, &a), 0);
		if (S_ISDIR(a.mode))
			fill(t, at, t->rows[i].ino);
	}
}

/* Edits that make the present what it was: all of that time is said, whether it
 * differs or not. */
static struct ns_edits *edits_to(uint64_t at)
{
	static struct table now, then;
	struct ns_edits *e = ns_edits_new();
	struct ns_attr a;
	size_t i;

	now.n = then.n = 0;
	fill(&now, NS_NOW, NS_ROOT);
	fill(&then, at, NS_ROOT);
	for (i = 0; i < now.n; i++)
		name(e, now.rows[i].dir, now.rows[i].name, 0);
	for (i = 0; i < then.n; i++)
		name(e, then.rows[i].dir, then.rows[i].name, then.rows[i].ino);
	for (i = 0; i < then.n; i++) {
		CLEANUP_BUF struct buf target = BUF_INIT;

		ck_assert_int_eq(ns_getattr(f.ns, at, then.rows[i].ino, &a), 0);
		if (S_ISLNK(a.mode))
			ck_assert_int_eq(ns_readlink(f.ns, at, a.ino, &target),
					 0);
		ck_assert_int_eq(ns_edits_inode(e, &a,
						S_ISLNK(a.mode)
							? buf_cstr(&target)
							: NULL),
				 0);
	}
	return e;
}

/* --- steps --------------------------------------------------------------- */

static uint64_t any_dir(struct table *t)
{
	struct ns_attr a;
	int i;

	for (i = 0; t->n && i < 10; i++) {
		a = attr_of(&f, t->rows[rnd((unsigned)t->n)].ino);
		if (S_ISDIR(a.mode))
			return a.ino;
	}
	return NS_ROOT;
}

static void step(void)
{
	static struct table t;
	const struct row *r;
	struct ns_attr a, gone = {0};
	char to[16];
	uint64_t dir;
	int rc = 0;

	t.n = 0;
	fill(&t, NS_NOW, NS_ROOT);
	dir = any_dir(&t);
	snprintf(to, sizeof(to), "n%u", rnd(12));
	if (!t.n || !rnd(3)) {
		uint32_t mode = !rnd(3)	  ? S_IFDIR | 0755
				: !rnd(4) ? S_IFLNK | 0777
					  : S_IFREG | 0644;

		rc = ns_create(f.ns, &by, dir, to, strlen(to), mode, 7, 8, 0,
			       S_ISLNK(mode) ? "there" : NULL, &a);
		ck_assert(rc == 0 || rc == -EEXIST);
		return;
	}
	r = &t.rows[rnd((unsigned)t.n)];
	a = attr_of(&f, r->ino);
	switch (rnd(6)) {
	case 0:
		rc = ns_unlink(f.ns, &by, r->dir, r->name, strlen(r->name),
			       S_ISDIR(a.mode), &gone);
		break;
	case 1:
		if (S_ISREG(a.mode))
			set_content(&f, a.ino, to);
		break;
	case 2:
		a.mode ^= 0111;
		a.mtime_ns = rnd(1000);
		rc = ns_setattr(f.ns, &by, a.ino, NS_SET_MODE | NS_SET_MTIME,
				&a, &a);
		break;
	case 3:
		rc = ns_link(f.ns, &by, a.ino, dir, to, strlen(to), &a);
		break;
	default:
		rc = ns_rename(f.ns, &by, r->dir, r->name, strlen(r->name), dir,
			       to, strlen(to), rnd(2) ? RENAME_EXCHANGE : 0,
			       &gone);
	}
	ck_assert_int_le(rc, 0);
	if (rc == 0 && gone.ino && !gone.nlink && rnd(2))
		ck_assert_int_eq(ns_reap(f.ns, gone.ino), 0);
}

/* --- comparing ----------------------------------------------------------- */

/* The times of directories whose names changed are the change's, not theirs. */
static char *without_mtime(uint64_t at, bool with)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	struct buf out = BUF_INIT;
	char *line, *save = NULL, *cut;

	dump_tree(f.ns, at, &all);
	for (line = strtok_r((char *)all.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (!with && strstr(line, "mode=4")) {
			cut = strstr(line, " mtime=");
			*cut = '\0';
		}
		if (!with && (cut = strstr(line, " nlink=")))
			memset(cut, ' ', strcspn(cut + 1, " ") + 1);
		buf_fmt(&out, "%s\n", line);
	}
	return (char *)out.data;
}

static void same_trees(uint64_t a, uint64_t b)
{
	CLEANUP_FREE char *x = without_mtime(a, false);
	CLEANUP_FREE char *y = without_mtime(b, false);

	ck_assert_str_eq(x, y);
}

static void found(void *ctx, const char *what)
{
	ck_abort_msg("%s", what);
}

static void add_journals(struct rebuild *r, struct journal_check *j,
			 const struct addr *at)
{
	const struct buf *p = map_get(f.objects, at, sizeof(*at)), *clear;
	struct journal_info info;

	ck_assert_int_eq(journal_decode(p->data, p->len, &info, NULL, NULL), 0);
	if (!addr_is_zero(&info.prev))
		add_journals(r, j, &info.prev);
	clear = map_get(f.objects, &info.clear, sizeof(info.clear));
	if (r)
		ck_assert_int_eq(rebuild_add(r, p->data, p->len, clear->data,
					     clear->len, false),
				 0);
	if (j)
		ck_assert_int_eq(journal_check_add(j, p->data, p->len,
						   clear->data, clear->len),
				 0);
}

static void check_rows(struct db *db, const struct addr *head)
{
	struct check c = {.db = db, .found = found};
	struct journal_check *j;

	ck_assert_int_eq(check_begin(&c), 0);
	ck_assert_int_eq(check_namespace(&c), 0);
	ck_assert_int_eq(journal_check_new(&c, &j), 0);
	add_journals(NULL, j, head);
	ck_assert_int_eq(journal_check_end(j), 0);
	journal_check_free(j);
	check_end(&c);
}

/* From the journals alone it is the same at every moment, with all times. */
static void check_rebuilt(void)
{
	CLEANUP_BUF struct buf path = BUF_INIT;
	struct fixture mine = f;
	static char *moments[MOMENTS];
	struct rebuild_sums sums;
	struct rebuild *r;
	struct addr head;
	uint64_t seq, last;

	commit(&f);
	ck_assert_int_eq(journal_head(f.journal, &head, NULL), 0);
	check_rows(f.db, &head);
	last = ns_last_change(f.ns);
	for (seq = 1; seq <= last; seq++)
		moments[seq % MOMENTS] = without_mtime(seq, true);
	buf_fmt(&path, "%s/again.db", f.dir);
	ck_assert_int_eq(db_open(buf_cstr(&path), DB_CREATE, &f.db, NULL), 0);
	db_lock(f.db);
	ck_assert_int_eq(rebuild_new(f.db, &r), 0);
	add_journals(r, NULL, &head);
	ck_assert_int_eq(rebuild_end(r, &head, 0, &sums), 0);
	ck_assert_uint_eq(sums.odd + sums.unknown + sums.adopted, 0);
	rebuild_free(r);
	check_rows(f.db, &head);
	ck_assert_int_eq(ns_open(f.db, 0, 0, &f.ns, NULL), 0);
	for (seq = 1; seq <= last; seq++) {
		CLEANUP_FREE char *got = without_mtime(seq, true);

		ck_assert_str_eq(got, moments[seq % MOMENTS]);
		free(moments[seq % MOMENTS]);
	}
	ns_close(f.ns);
	db_unlock(f.db);
	db_close(f.db);
	f = mine;
}

/* --- tests --------------------------------------------------------------- */

START_TEST(ns_apply_leads_to_any_moment)
{
	uint64_t to, seq, last;
	struct ns_edits *e;
	int i, k;

	seed = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15) + 1;
	fixture_open(&f);
	for (i = 0; i < ROUNDS; i++) {
		for (k = 0; k < STEPS; k++)
			step();
		if (!rnd(4))
			commit(&f);
		last = ns_last_change(f.ns);
		to = 1 + rnd((unsigned)last);
		e = edits_to(to);
		seq = 0;
		ck_assert_int_ge(ns_apply(f.ns, &by, NS_OP_RUN, e,
					  (struct ns_also){0}, &seq),
				 0);
		ck_assert(!seq || seq == last + 1);
		same_trees(to, NS_NOW);
		if (seq)
			same_trees(to, seq);
		apply(e, 0); /* it is so already */
		ns_edits_free(e);
	}
	check_rebuilt();
	fixture_done(&f);
}
END_TEST

START_TEST(ns_apply_swaps_without_a_name_in_between)
{
	struct ns_edits *e = ns_edits_new();
	uint64_t a, b, in, seq, ino;

	fixture_open(&f);
	a = make_dir(&f, NS_ROOT, "a");
	b = make_dir(&f, a, "b");
	in = make_file(&f, b, "in");
	/* /a/b/in becomes /b/a, with the file in the inner one */
	name(e, NS_ROOT, "a", 0);
	name(e, NS_ROOT, "b", b);
	name(e, a, "b", 0);
	name(e, b, "a", a);
	name(e, b, "in", 0);
	name(e, a, "in", in);
	seq = apply(e, 1);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "b", &ino), 0);
	ck_assert_uint_eq(ino, b);
	ck_assert_uint_eq(attr_of(&f, NS_ROOT).nlink, 3);
	ck_assert_uint_eq(attr_of(&f, b).nlink, 3);
	ck_assert_uint_eq(attr_of(&f, a).nlink, 2);
	ck_assert_int_eq(try_lookup(&f, seq - 1, a, "b", &ino), 0);
	ck_assert_int_eq(try_lookup(&f, seq, a, "b", &ino), -ENOENT);
	ns_edits_free(e);
	check_rebuilt();
	fixture_done(&f);
}
END_TEST

START_TEST(ns_apply_makes_what_is_new_with_its_own_times)
{
	struct ns_attr a = {.mode = S_IFDIR | 0750, .uid = 3, .mtime_ns = 17};
	struct ns_attr file = {.mode = S_IFREG | 0600, .mtime_ns = 19};
	struct ns_edits *e = ns_edits_new();
	uint64_t dir, ino, seq;

	fixture_open(&f);
	addr_of(OBJ_CHUNK, "x", 1, &file.addr);
	file.size = 1;
	a.ino = ns_edits_number(e);
	file.ino = ns_edits_number(e);
	name(e, NS_ROOT, "d", a.ino);
	name(e, a.ino, "one", file.ino);
	name(e, a.ino, "two", file.ino);
	ck_assert_int_eq(ns_edits_inode(e, &a, NULL), 0);
	ck_assert_int_eq(ns_edits_inode(e, &file, NULL), 0);
	ck_assert_int_eq(ns_edits_xattr(e, file.ino, "user.a", "v", 1), 0);
	seq = apply(e, 1);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, NS_ROOT, "d", &dir), 0);
	ck_assert_int_eq(try_lookup(&f, NS_NOW, dir, "two", &ino), 0);
	ck_assert_int_eq(attr_of(&f, dir).mtime_ns, 17);
	ck_assert_uint_eq(attr_of(&f, dir).nlink, 2);
	ck_assert_uint_eq(attr_of(&f, ino).nlink, 2);
	ck_assert_int_eq(ns_getattr(f.ns, seq, dir, &a), 0);
	ck_assert_int_eq(a.mtime_ns, 17);
	ck_assert_int_eq(make_file(&f, NS_ROOT, "next"), ino + 1);
	ns_edits_free(e);
	check_rebuilt();
	fixture_done(&f);
}
END_TEST

/* More than fits one record, or one journal. */
START_TEST(ns_apply_of_many_is_one_change)
{
	struct ns_edits *e = ns_edits_new();
	struct ns_attr a = {.mode = S_IFDIR | 0755, .mtime_ns = 5};
	uint64_t dirs[DIRS], seq, ino;
	char text[64];
	int i, k;

	fixture_open(&f);
	for (i = 0; i < DIRS; i++) {
		snprintf(text, sizeof(text), "d%d", i);
		dirs[i] = make_dir(&f, NS_ROOT, text);
	}
	addr_of(OBJ_CHUNK, "", 0, &a.addr);
	for (k = 0; k < 20000; k++) {
		a.mode = S_IFREG | 0644;
		a.ino = ns_edits_number(e);
		snprintf(text, sizeof(text), "a-name-of-some-length-%d", k);
		name(e, dirs[k % DIRS], text, a.ino);
		ck_assert_int_eq(ns_edits_inode(e, &a, NULL), 0);
	}
	seq = apply(e, 1);
	ns_edits_free(e);
	commit(&f);
	ck_assert_uint_eq(ns_last_change(f.ns), seq);
	for (i = 0; i < DIRS; i++) {
		struct ns_attr past, before;

		ck_assert_int_eq(ns_getattr(f.ns, seq, dirs[i], &past), 0);
		ck_assert_int_eq(ns_getattr(f.ns, seq - 1, dirs[i], &before),
				 0);
		ck_assert_int_eq(past.mtime_ns, attr_of(&f, dirs[i]).mtime_ns);
		ck_assert_int_gt(past.mtime_ns, before.mtime_ns);
		ck_assert_int_eq(try_lookup(&f, seq - 1, dirs[0],
					    "a-name-of-some-length-0", &ino),
				 -ENOENT);
	}
	check_rebuilt();
	fixture_done(&f);
}
END_TEST

static int refuse(void *ctx, uint64_t seq)
{
	return -EDOM;
}

START_TEST(ns_apply_refuses_what_is_no_tree)
{
	CLEANUP_BUF struct buf before = BUF_INIT, after = BUF_INIT;
	uint64_t a, b, file, seq = 0;
	struct ns_edits *e[8];
	static const int want[8] = {-ELOOP,   -ENOTEMPTY, -EMLINK, -ENOENT,
				    -ENOTDIR, -EINVAL,	  -ESTALE, -ENOENT};
	struct ns_attr attr;
	size_t i;

	fixture_open(&f);
	a = make_dir(&f, NS_ROOT, "a");
	b = make_dir(&f, a, "b");
	file = make_file(&f, b, "file");
	for (i = 0; i < ARRAY_LEN(e); i++)
		e[i] = ns_edits_new();
	name(e[0], NS_ROOT, "a", 0);
	name(e[0], b, "a", a);
	name(e[1], a, "b", 0);
	name(e[2], NS_ROOT, "b", b);
	name(e[3], NS_ROOT, "x", 999);
	name(e[4], file, "x", file);
	attr = attr_of(&f, file);
	attr.ino = ns_edits_number(e[5]);
	ck_assert_int_eq(ns_edits_inode(e[5], &attr, NULL), 0);
	attr.ino = file;
	attr.mode = S_IFIFO | 0644;
	ck_assert_int_eq(ns_edits_inode(e[6], &attr, NULL), 0);
	name(e[7], NS_ROOT, "a", 0);
	name(e[7], a, "b", 0);
	name(e[7], b, "file", 0);
	name(e[7], a, "file", file);
	dump_tree(f.ns, NS_NOW, &before);
	for (i = 0; i < ARRAY_LEN(e); i++) {
		apply(e[i], want[i]);
		ns_edits_free(e[i]);
	}
	e[0] = ns_edits_new();
	name(e[0], NS_ROOT, "more", file);
	ck_assert_int_eq(ns_apply(f.ns, &by, NS_OP_MERGE, e[0],
				  (struct ns_also){.fn = refuse}, &seq),
			 -EDOM);
	ns_edits_free(e[0]);
	dump_tree(f.ns, NS_NOW, &after);
	ck_assert_str_eq(buf_cstr(&after), buf_cstr(&before));
	check_rebuilt();
	fixture_done(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ns_apply");
	TCase *t = tcase_create("apply");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, ns_apply_leads_to_any_moment, 0, 4);
	tcase_add_test(t, ns_apply_swaps_without_a_name_in_between);
	tcase_add_test(t, ns_apply_makes_what_is_new_with_its_own_times);
	tcase_add_test(t, ns_apply_of_many_is_one_change);
	tcase_add_test(t, ns_apply_refuses_what_is_no_tree);
	suite_add_tcase(s, t);
	return run_suite(s);
}
