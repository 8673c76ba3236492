/* Why: what is merged has to be what two people meant, and nothing of either
 * may be lost. Random edits of two copies of a tree are merged and compared
 * with a model too simple to be wrong: path by path, theirs where ours is as
 * base was. Where the model sees a conflict, both sides have to be there. With
 * renames the model is silent; then what only one side did has to come out as
 * that side has it, and every content that one side made has to be found. */
#include "core/merge.h"

#include <stdio.h>
#include <sys/stat.h>

#include "core/check.h"
#include "core/ns_internal.h"
#include "tests/core/fixture.h"

#define LABEL "work~9"
#define PATHS 600

static struct fixture ours, theirs;
static uint64_t fork_seq;
static uint64_t seed;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 33) % n;
}

/* --- two copies ---------------------------------------------------------- */

/* theirs goes on from where ours is; its new inodes have numbers of their own.
 */
static void fork_it(void)
{
	CLEANUP_FREE char *command = NULL;

	commit(&ours);
	fork_seq = ns_last_change(ours.ns);
	fixture_open(&theirs);
	fixture_close(&theirs);
	run_sql(&ours, "PRAGMA wal_checkpoint(TRUNCATE)");
	ck_assert_int_gt(asprintf(&command, "rm -f '%s'* && cp '%s' '%s'",
				  theirs.path, ours.path, theirs.path),
			 0);
	ck_assert_int_eq(system(command), 0);
	fixture_reopen(&theirs);
	run_sql(&theirs, "PRAGMA synchronous = OFF");
	run_sql(&theirs,
		"UPDATE counter SET next_ino = next_ino + 1000000 WHERE 1");
	commit(&theirs);
}

static int both_texts(void *ctx, const struct ns_attr *base,
		      const struct ns_attr *o, const struct ns_attr *t,
		      struct addr *ret, uint64_t *ret_size)
{
	if (!ctx)
		return 0;
	addr_of(OBJ_CHUNK, "merged", 6, ret);
	*ret_size = 6;
	return 1;
}

static void begin(void)
{
	struct ns_attr a;
	uint64_t d;

	fixture_open(&ours);
	run_sql(&ours, "PRAGMA synchronous = OFF"); /* no power is cut here */
	d = make_dir(&ours, NS_ROOT, "d");
	set_content(&ours, make_file(&ours, d, "in"), "in");
	set_content(&ours, make_file(&ours, NS_ROOT, "f"), "f");
	set_content(&ours, make_file(&ours, NS_ROOT, "g"), "g");
	ck_assert_int_eq(ns_create(ours.ns, &by, NS_ROOT, "link", 4,
				   S_IFLNK | 0777, 7, 8, 0, "there", &a),
			 0);
}

static void end(void)
{
	fixture_done(&ours);
	fixture_done(&theirs);
}

/* Conflicts; the change, if any, is made. */
static size_t merge(void *texts, struct merge_notes *ret)
{
	struct merge_job j = {.base = {ours.ns, fork_seq},
			      .ours = {ours.ns, NS_NOW},
			      .theirs = {theirs.ns, NS_NOW},
			      .since = fork_seq,
			      .label = LABEL,
			      .content = both_texts,
			      .ctx = texts};
	struct ns_edits *e = ns_edits_new();
	struct merge_notes n;
	uint64_t seq;
	size_t conflicts;
	int rc;

	rc = merge_decide(&j, e, &n);
	ck_assert_msg(rc == 0, "decide: %d", rc);
	rc = ns_apply(ours.ns, &by, NS_OP_MERGE, e, (struct ns_also){0}, &seq);
	ck_assert_msg(rc >= 0, "apply: %d", rc);
	ns_edits_free(e);
	conflicts = n.conflicts;
	if (ret)
		*ret = n;
	else
		merge_notes_done(&n);
	return conflicts;
}

/* --- a tree by paths ----------------------------------------------------- */

struct item {
	char *path, *what; /* type, mode, content */
};
struct tree {
	struct item items[PATHS];
	size_t n;
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct item *)a)->path,
		      ((const struct item *)b)->path);
}

static void read_tree(struct ns *ns, uint64_t at, struct tree *ret)
{
	CLEANUP_BUF struct buf all = BUF_INIT;
	char *line, *save = NULL, *sp, *mode, *addr;
	struct item *i;

	ret->n = 0;
	dump_tree(ns, at, &all);
	for (line = strtok_r((char *)all.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		i = &ret->items[ret->n++];
		ck_assert_uint_le(ret->n, PATHS);
		sp = strstr(line, " ino=");
		*sp = '\0';
		mode = strstr(sp + 1, "mode=");
		addr = strstr(sp + 1, "addr=");
		i->path = strdup(line);
		*strchr(mode, ' ') = '\0';
		ck_assert_int_gt(asprintf(&i->what, "%s %s", mode, addr), 0);
	}
	qsort(ret->items, ret->n, sizeof(ret->items[0]), by_path);
}

static void tree_done(struct tree *t)
{
	while (t->n) {
		t->n--;
		free(t->items[t->n].path);
		free(t->items[t->n].what);
	}
}

static const char *at_path(const struct tree *t, const char *path)
{
	size_t i;

	for (i = 0; i < t->n; i++)
		if (!strcmp(t->items[i].path, path))
			return t->items[i].what;
	return NULL;
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool is_dir(const char *what)
{
	return what && !strncmp(what, "mode=4", 6);
}

static bool has_what(const struct tree *t, const char *what)
{
	const char *addr = strstr(what, "addr=");
	size_t i;

	for (i = 0; i < t->n; i++)
		if (strstr(t->items[i].what, addr))
			return true;
	return false;
}

static void same_trees(const struct tree *a, const struct tree *b)
{
	size_t i;

	for (i = 0; i < MIN(a->n, b->n); i++) {
		ck_assert_str_eq(a->items[i].path, b->items[i].path);
		ck_assert_str_eq(a->items[i].what, b->items[i].what);
	}
	ck_assert_uint_eq(a->n, b->n);
}

/* --- random edits -------------------------------------------------------- */

struct entry {
	uint64_t dir, ino;
	char name[40];
};
struct listing {
	struct fixture *f;
	struct entry e[PATHS];
	size_t n;
	uint64_t dir;
};

static void list_below(struct listing *l, uint64_t dir);

static int add_entry(void *ctx, const struct ns_entry *e)
{
	struct listing *l = ctx;
	struct entry *x = &l->e[l->n++];

	ck_assert_uint_lt(l->n, PATHS);
	x->dir = l->dir;
	x->ino = e->ino;
	memcpy(x->name, e->name, e->len + 1);
	return 0;
}

static void list_below(struct listing *l, uint64_t dir)
{
	size_t i = l->n, n;

	l->dir = dir;
	ck_assert_int_eq(ns_list(l->f->ns, NS_NOW, dir, NULL, 0, add_entry, l),
			 0);
	for (n = l->n; i < n; i++)
		if (S_ISDIR(attr_of(l->f, l->e[i].ino).mode))
			list_below(l, l->e[i].ino);
}

static void remove_below(struct fixture *f, uint64_t dir, const char *name)
{
	struct listing *l = calloc(1, sizeof(*l));
	uint64_t ino;
	size_t i;

	ck_assert_int_eq(try_lookup(f, NS_NOW, dir, name, &ino), 0);
	l->f = f;
	if (S_ISDIR(attr_of(f, ino).mode)) {
		l->dir = ino;
		ck_assert_int_eq(ns_list(f->ns, NS_NOW, ino, NULL, 0, add_entry,
					 l),
				 0);
	}
	for (i = 0; i < l->n; i++)
		remove_below(f, ino, l->e[i].name);
	free(l);
	remove_name(f, dir, name);
}

static void edit(struct fixture *f, bool moves)
{
	struct listing *l = calloc(1, sizeof(*l));
	const struct entry *e;
	struct ns_attr a;
	char name[16], text[24];
	uint64_t dir = NS_ROOT, ino;
	unsigned i;

	l->f = f;
	list_below(l, NS_ROOT);
	for (i = 0; l->n && i < 4; i++) {
		e = &l->e[rnd((unsigned)l->n)];
		if (S_ISDIR(attr_of(f, e->ino).mode))
			dir = e->ino;
	}
	snprintf(name, sizeof(name), "n%u", rnd(9));
	snprintf(text, sizeof(text), "text %u", rnd(8));
	e = l->n ? &l->e[rnd((unsigned)l->n)] : NULL;
	if (!e || !rnd(3)) {
		if (try_lookup(f, NS_NOW, dir, name, &ino) == 0)
			goto out;
		if (rnd(4))
			set_content(f, make_file(f, dir, name), text);
		else
			make_dir(f, dir, name);
		goto out;
	}
	a = attr_of(f, e->ino);
	switch (rnd(moves ? 6 : 4)) {
	case 0:
		if (!rnd(2))
			remove_below(f, e->dir, e->name);
		break;
	case 1:
		if (S_ISREG(a.mode) && !rnd(3)) { /* as editors write */
			remove_name(f, e->dir, e->name);
			set_content(f, make_file(f, e->dir, e->name), text);
			break;
		}
		if (S_ISREG(a.mode))
			set_content(f, a.ino, text);
		break;
	case 2:
		a.mode ^= 0100;
		if (S_ISREG(a.mode))
			ck_assert_int_eq(ns_setattr(f->ns, &by, a.ino,
						    NS_SET_MODE, &a, &a),
					 0);
		break;
	case 3:
		if (!rnd(3) && S_ISDIR(a.mode)) { /* and made again */
			remove_below(f, e->dir, e->name);
			dir = make_dir(f, e->dir, e->name);
			set_content(f, make_file(f, dir, name), text);
		}
		break;
	default:
		ck_assert_int_le(try_rename(f, e->dir, e->name, dir, name,
					    rnd(3) ? 0 : RENAME_EXCHANGE),
				 0);
	}
out:
	free(l);
}

static void found(void *ctx, const char *what)
{
	ck_abort_msg("%s", what);
}

static void check_rows(struct fixture *f)
{
	struct check c = {.db = f->db, .found = found};

	commit(f);
	ck_assert_int_eq(check_begin(&c), 0);
	ck_assert_int_eq(check_namespace(&c), 0);
	check_end(&c);
}

struct trees {
	struct tree base, ours, theirs, got;
};

static struct trees *read_trees(void)
{
	struct trees *t = calloc(1, sizeof(*t));

	read_tree(ours.ns, fork_seq, &t->base);
	read_tree(ours.ns, NS_NOW, &t->ours);
	read_tree(theirs.ns, NS_NOW, &t->theirs);
	return t;
}

static void trees_done(struct trees *t)
{
	tree_done(&t->base);
	tree_done(&t->ours);
	tree_done(&t->theirs);
	tree_done(&t->got);
	free(t);
}

/* --- properties ---------------------------------------------------------- */

static bool same_content(const char *a, const char *b)
{
	return !strcmp(strstr(a, "addr="), strstr(b, "addr="));
}

/* What is there is a file, and the directory lies beside it. */
static bool below_file(const struct tree *t, const char *path)
{
	CLEANUP_FREE char *up = strdup(path);
	const char *what;
	char *slash;

	while ((slash = strrchr(up, '/')) && slash != up) {
		*slash = '\0';
		what = at_path(t, up);
		if (what && !is_dir(what))
			return true;
	}
	return false;
}

/* The model; directories come and go with what is in them. */
static void check_path(const struct trees *t, const char *path)
{
	const char *b = at_path(&t->base, path), *o = at_path(&t->ours, path);
	const char *s = at_path(&t->theirs, path);
	const char *got = at_path(&t->got, path);
	const char *want = same(s, b) ? o : same(o, b) || same(o, s) ? s : NULL;

	if (is_dir(b) || is_dir(o) || is_dir(s) || is_dir(got) ||
	    below_file(&t->got, path))
		return;
	if (same(s, b) || same(o, b) || same(o, s)) {
		ck_assert_msg(same(got, want),
			      "%s: base %s, ours %s, theirs %s: got %s", path,
			      b, o, s, got);
		return;
	}
	/* modes are merged apart from content, so that less is a conflict */
	if (o && s)
		ck_assert_msg(got, "%s is lost", path);
	if (o && !(b && same_content(o, b)))
		ck_assert_msg(has_what(&t->got, o), "%s: ours is lost", path);
	if (s && !(b && same_content(s, b)))
		ck_assert_msg(has_what(&t->got, s), "%s: theirs is lost", path);
}

START_TEST(merge_is_path_by_path)
{
	struct trees *t;
	unsigned i, n;

	seed = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15) + 1;
	begin();
	for (i = 0; i < 30; i++)
		edit(&ours, false);
	fork_it();
	for (i = 0, n = 1 + rnd(20); i < n; i++)
		edit(&ours, false);
	for (i = 0, n = 1 + rnd(20); i < n; i++)
		edit(&theirs, false);
	t = read_trees();
	merge(NULL, NULL);
	read_tree(ours.ns, NS_NOW, &t->got);
	for (i = 0; i < t->base.n; i++)
		check_path(t, t->base.items[i].path);
	for (i = 0; i < t->ours.n; i++)
		check_path(t, t->ours.items[i].path);
	for (i = 0; i < t->theirs.n; i++)
		check_path(t, t->theirs.items[i].path);
	check_rows(&ours);
	trees_done(t);
	end();
}
END_TEST

START_TEST(merge_of_one_side_is_that_side)
{
	struct trees *t;
	unsigned i;

	seed = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15) + 2;
	begin();
	for (i = 0; i < 25; i++)
		edit(&ours, true);
	fork_it();
	for (i = 0; i < 30; i++)
		edit(&theirs, true);
	t = read_trees();
	ck_assert_uint_eq(merge(NULL, NULL), 0);
	read_tree(ours.ns, NS_NOW, &t->got);
	same_trees(&t->got, &t->theirs);
	check_rows(&ours);
	trees_done(t);
	end();
}
END_TEST

/* A content that is new on one side, and that the other never had to remove. */
static void check_nothing_lost(const struct trees *t, const struct tree *side)
{
	size_t i;

	for (i = 0; i < side->n; i++) {
		const struct item *x = &side->items[i];

		if (is_dir(x->what) || has_what(&t->base, x->what))
			continue;
		ck_assert_msg(has_what(&t->got, x->what), "%s (%s) is lost",
			      x->path, x->what);
	}
}

START_TEST(merge_with_renames_loses_nothing)
{
	struct trees *t;
	unsigned i, n;

	seed = (uint64_t)_i * UINT64_C(0x9e3779b97f4a7c15) + 3;
	begin();
	for (i = 0; i < 25; i++)
		edit(&ours, true);
	fork_it();
	for (i = 0, n = 1 + rnd(25); i < n; i++)
		edit(&ours, true);
	for (i = 0, n = 1 + rnd(25); i < n; i++)
		edit(&theirs, true);
	t = read_trees();
	merge(NULL, NULL);
	read_tree(ours.ns, NS_NOW, &t->got);
	check_nothing_lost(t, &t->ours);
	check_nothing_lost(t, &t->theirs);
	check_rows(&ours);
	trees_done(t);
	end();
}
END_TEST

/* --- by name ------------------------------------------------------------- */

static uint64_t ino_of(struct fixture *f, const char *name)
{
	uint64_t ino;

	ck_assert_msg(try_lookup(f, NS_NOW, NS_ROOT, name, &ino) == 0,
		      "%s is not there", name);
	return ino;
}

static void has(const char *name, const char *text)
{
	struct ns_attr a = attr_of(&ours, ino_of(&ours, name));
	struct addr want;

	addr_of(OBJ_CHUNK, text, strlen(text), &want);
	ck_assert_msg(addr_eq(&a.addr, &want), "%s is not '%s'", name, text);
}

static void has_not(const char *name)
{
	uint64_t ino;

	ck_assert_int_eq(try_lookup(&ours, NS_NOW, NS_ROOT, name, &ino),
			 -ENOENT);
}

START_TEST(merge_content_of_both)
{
	begin();
	fork_it();
	set_content(&ours, ino_of(&ours, "f"), "ours");
	set_content(&theirs, ino_of(&theirs, "f"), "theirs");
	ck_assert_uint_eq(merge(_i ? &seed : NULL, NULL), !_i);
	if (_i) {
		has("f", "merged");
		has_not("f." LABEL);
	} else {
		has("f", "ours");
		has("f." LABEL, "theirs");
	}
	end();
}
END_TEST

START_TEST(merge_finds_what_the_other_renamed)
{
	uint64_t d;

	begin();
	fork_it();
	ck_assert_int_eq(try_rename(&ours, NS_ROOT, "f", NS_ROOT, "moved", 0),
			 0);
	ck_assert_int_eq(try_rename(&ours, NS_ROOT, "d", NS_ROOT, "e", 0), 0);
	set_content(&theirs, ino_of(&theirs, "f"), "theirs");
	d = ino_of(&theirs, "d");
	set_content(&theirs, make_file(&theirs, d, "more"), "more");
	ck_assert_int_eq(try_rename(&theirs, NS_ROOT, "g", d, "g", 0), 0);
	ck_assert_uint_eq(merge(NULL, NULL), 0);
	has("moved", "theirs");
	has_not("f");
	has_not("d");
	has_not("g");
	d = ino_of(&ours, "e");
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, d, "more", &d), 0);
	d = ino_of(&ours, "e");
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, d, "g", &d), 0);
	end();
}
END_TEST

START_TEST(merge_keeps_what_one_removed_and_the_other_changed)
{
	begin();
	fork_it();
	remove_name(&ours, NS_ROOT, "f");
	set_content(&theirs, ino_of(&theirs, "f"), "theirs");
	remove_name(&theirs, NS_ROOT, "g");
	set_content(&ours, ino_of(&ours, "g"), "ours");
	ck_assert_uint_eq(merge(NULL, NULL), 2);
	has_not("f");
	has("f." LABEL, "theirs");
	has("g", "ours");
	end();
}
END_TEST

START_TEST(merge_of_names_that_disagree)
{
	uint64_t d, e;

	begin();
	make_dir(&ours, NS_ROOT, "e");
	fork_it();
	/* one file, two names */
	ck_assert_int_eq(try_rename(&ours, NS_ROOT, "f", NS_ROOT, "f1", 0), 0);
	ck_assert_int_eq(try_rename(&theirs, NS_ROOT, "f", NS_ROOT, "f2", 0),
			 0);
	/* two files, one name */
	set_content(&ours, make_file(&ours, NS_ROOT, "new"), "ours");
	set_content(&theirs, make_file(&theirs, NS_ROOT, "new"), "theirs");
	/* each in the other */
	ck_assert_int_eq(try_rename(&ours, NS_ROOT, "d", ino_of(&ours, "e"),
				    "d", 0),
			 0);
	ck_assert_int_eq(try_rename(&theirs, NS_ROOT, "e", ino_of(&theirs, "d"),
				    "e", 0),
			 0);
	/* a file where the other has a directory */
	set_content(&ours, make_file(&ours, NS_ROOT, "x"), "file");
	d = make_dir(&theirs, NS_ROOT, "x");
	make_file(&theirs, d, "in");
	ck_assert_uint_eq(merge(NULL, NULL), 4);
	has("f1", "f");
	has_not("f2");
	has("new", "ours");
	has("new." LABEL, "theirs");
	e = ino_of(&ours, "e");
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, e, "d", &d), 0);
	has("x", "file");
	d = ino_of(&ours, "x." LABEL);
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, d, "in", &d), 0);
	check_rows(&ours);
	end();
}
END_TEST

START_TEST(merge_of_directories_that_go)
{
	uint64_t d;

	begin();
	fork_it();
	remove_below(&theirs, NS_ROOT, "d");
	set_content(&ours, make_file(&ours, ino_of(&ours, "d"), "mine"), "m");
	ck_assert_uint_eq(merge(NULL, NULL), 0);
	d = ino_of(&ours, "d");
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, d, "in", &d), -ENOENT);
	d = ino_of(&ours, "d");
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, d, "mine", &d), 0);
	end();
	begin();
	fork_it();
	remove_below(&ours, NS_ROOT, "d");
	set_content(&theirs, make_file(&theirs, ino_of(&theirs, "d"), "t"),
		    "t");
	ck_assert_uint_eq(merge(NULL, NULL), 0);
	d = ino_of(&ours, "d");
	ck_assert_int_eq(try_lookup(&ours, NS_NOW, d, "t", &d), 0);
	check_rows(&ours);
	end();
}
END_TEST

START_TEST(merge_of_attributes)
{
	struct ns_attr a;
	CLEANUP_BUF struct buf v = BUF_INIT;
	uint64_t f, g;

	begin();
	f = ino_of(&ours, "f");
	g = ino_of(&ours, "g");
	ck_assert_int_eq(ns_xattr_set(ours.ns, &by, f, "user.gone", "x", 1, 0),
			 0);
	fork_it();
	a = attr_of(&theirs, f);
	a.mode = S_IFREG | 0755;
	ck_assert_int_eq(ns_setattr(theirs.ns, &by, f, NS_SET_MODE, &a, &a), 0);
	set_content(&ours, f, "ours");
	ck_assert_int_eq(ns_xattr_set(theirs.ns, &by, f, "user.a", "1", 1, 0),
			 0);
	ck_assert_int_eq(ns_xattr_set(theirs.ns, &by, f, "user.gone", NULL, 0,
				      0),
			 0);
	ck_assert_int_eq(ns_xattr_set(ours.ns, &by, f, "user.b", "2", 1, 0), 0);
	ck_assert_int_eq(ns_link(theirs.ns, &by, g, NS_ROOT, "hard", 4, &a), 0);
	set_content(&theirs, g, "shared");
	ck_assert_uint_eq(merge(NULL, NULL), 0);
	has("f", "ours");
	ck_assert_uint_eq(attr_of(&ours, f).mode, S_IFREG | 0755);
	ck_assert_int_eq(ns_xattr_get(ours.ns, f, "user.a", &v), 0);
	ck_assert_int_eq(ns_xattr_get(ours.ns, f, "user.b", &v), 0);
	ck_assert_str_eq(buf_cstr(&v), "12");
	ck_assert_int_eq(ns_xattr_get(ours.ns, f, "user.gone", &v), -ENODATA);
	has("hard", "shared");
	ck_assert_uint_eq(attr_of(&ours, ino_of(&ours, "g")).nlink, 2);
	check_rows(&ours);
	end();
}
END_TEST

START_TEST(merge_of_links_to_elsewhere)
{
	CLEANUP_BUF struct buf to = BUF_INIT;
	struct ns_attr a;

	begin();
	fork_it();
	remove_name(&theirs, NS_ROOT, "link");
	ck_assert_int_eq(ns_create(theirs.ns, &by, NS_ROOT, "link", 4,
				   S_IFLNK | 0777, 7, 8, 0, "here", &a),
			 0);
	ck_assert_uint_eq(merge(NULL, NULL), 0);
	ck_assert_int_eq(ns_readlink(ours.ns, NS_NOW, ino_of(&ours, "link"),
				     &to),
			 0);
	ck_assert_str_eq(buf_cstr(&to), "here");
	check_rows(&ours);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("merge");
	TCase *t = tcase_create("merge");
	const char *n = getenv("MERGE_SEEDS");
	int seeds = n ? atoi(n) : 6;

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, merge_content_of_both, 0, 2);
	tcase_add_test(t, merge_finds_what_the_other_renamed);
	tcase_add_test(t, merge_keeps_what_one_removed_and_the_other_changed);
	tcase_add_test(t, merge_of_names_that_disagree);
	tcase_add_test(t, merge_of_directories_that_go);
	tcase_add_test(t, merge_of_attributes);
	tcase_add_test(t, merge_of_links_to_elsewhere);
	tcase_add_loop_test(t, merge_of_one_side_is_that_side, 0, seeds);
	tcase_add_loop_test(t, merge_is_path_by_path, 0, seeds);
	tcase_add_loop_test(t, merge_with_renames_loses_nothing, 0, seeds);
	suite_add_tcase(s, t);
	return run_suite(s);
}
