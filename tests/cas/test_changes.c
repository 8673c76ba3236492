#include "tests/cas/util.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cas/changes.h"
#include "core/ns.h"
#include "tests/lib/harness.h"

/* One of two processes on a store: its own connection, namespace, journal. */
struct side {
	struct store *store;
	struct db *db;
	struct journal *journal;
	struct ns *ns;
	struct addr from, to; /* the last news */
	unsigned news;
};

static const struct ns_by by = {1, 2, "test", NULL};

static int put(void *ctx, enum obj_kind kind, const void *p, size_t n,
	       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

static void heard(void *ctx, const struct addr *from, const struct addr *to)
{
	struct side *s = ctx;

	s->from = *from;
	s->to = *to;
	s->news++;
}

static void side_open(struct side *s, struct store *store)
{
	struct err err = {""};

	*s = (struct side){.store = store, .db = store_db(store)};
	db_lock(s->db);
	ck_assert_msg(!ns_open(s->db, 0, 0, &s->ns, &err), "%s", err.msg);
	ck_assert_int_eq(journal_open(s->db, &s->journal), 0);
	journal_set_put(s->journal, put, store);
	ns_set_journal(s->ns, s->journal);
	ck_assert_int_eq(db_commit(s->db), 0);
	ck_assert_int_eq(journal_set_news(s->journal, heard, s), 0);
	db_unlock(s->db);
}

static void side_close(struct side *s)
{
	db_lock(s->db);
	db_rollback(s->db);
	ns_close(s->ns);
	journal_close(s->journal);
	db_unlock(s->db);
}

static void open_both(struct side *a, struct side *b, char **ret_dir)
{
	struct store *s = new_store(ret_dir), *t;
	struct err err;

	side_open(a, s);
	ck_assert_int_eq(store_open(*ret_dir, 0, &t, &err), 0);
	side_open(b, t);
}

static void close_both(struct side *a, struct side *b, char *dir)
{
	side_close(a);
	side_close(b);
	ck_assert_int_eq(store_close(b->store), 0);
	drop_store(a->store, dir);
}

static uint64_t make(struct side *s, const char *name)
{
	struct ns_attr a;

	ck_assert_int_eq(ns_create(s->ns, &by, NS_ROOT, name, strlen(name),
				   S_IFREG | 0644, 0, 0, 0, NULL, &a),
			 0);
	return a.ino;
}

static void commit(struct side *s)
{
	ck_assert_int_eq(db_commit(s->db), 0);
}

static int add_line(void *ctx, const struct journal_record *r,
		    const struct journal_effect *e)
{
	struct buf *b = ctx;

	buf_fmt(b, "%llu ", (unsigned long long)r->seq);
	if (e->type == JOURNAL_BORN || e->type == JOURNAL_DIED)
		buf_fmt(b, "%s %.*s;", e->type == JOURNAL_BORN ? "+" : "-",
			(int)e->name.len, (const char *)e->name.p);
	else if (e->type == JOURNAL_INODE)
		buf_fmt(b, "inode %llu;", (unsigned long long)e->ino);
	else
		buf_str(b, "other;");
	return 0;
}

static void assert_news(struct side *s, unsigned count, const char *want)
{
	CLEANUP(changes_freep) struct changes *c = NULL;
	CLEANUP_BUF struct buf b = BUF_INIT;

	ck_assert_uint_eq(s->news, count);
	ck_assert_int_eq(changes_load(s->store, &s->from, &s->to, MIB(1), &c),
			 0);
	ck_assert_int_eq(changes_each(c, add_line, &b), 0);
	ck_assert_str_eq(buf_cstr(&b), want);
}

START_TEST(changes_of_another_process_are_told_once_and_own_never)
{
	struct ns_attr gone;
	struct side a, b;
	char *dir;

	open_both(&a, &b, &dir);
	make(&a, "one");
	ck_assert_int_eq(journal_look(b.journal), 0);
	ck_assert_uint_eq(b.news, 0); /* not committed */
	commit(&a);
	ck_assert_int_eq(journal_look(b.journal), 0);
	assert_news(&b, 1, "2 + one;2 inode 2;");
	ck_assert_int_eq(journal_look(b.journal), 0);
	ck_assert_int_eq(journal_look(a.journal), 0);
	ck_assert_uint_eq(b.news, 1);
	ck_assert_uint_eq(a.news, 0);

	/* several batches are one piece of news */
	make(&a, "two");
	commit(&a);
	ck_assert_int_eq(ns_unlink(a.ns, &by, NS_ROOT, "one", 3, false, &gone),
			 0);
	commit(&a);
	ck_assert_int_eq(journal_look(b.journal), 0);
	assert_news(&b, 2, "3 + two;3 inode 3;4 - one;");
	close_both(&a, &b, dir);
}
END_TEST

START_TEST(changes_before_an_own_batch_are_told_when_it_begins)
{
	struct side a, b;
	char *dir;

	open_both(&a, &b, &dir);
	make(&a, "one");
	commit(&a);
	make(&b, "two"); /* begins the batch */
	assert_news(&b, 1, "2 + one;2 inode 2;");
	commit(&b);
	ck_assert_int_eq(journal_look(b.journal), 0);
	ck_assert_uint_eq(b.news, 1);
	ck_assert_int_eq(journal_look(a.journal), 0);
	assert_news(&a, 1, "3 + two;3 inode 3;");
	/* a batch that is rolled back is news to nobody */
	make(&b, "three");
	db_rollback(b.db);
	make(&a, "four");
	commit(&a);
	ck_assert_uint_eq(a.news, 1);
	ck_assert_int_eq(journal_look(b.journal), 0);
	ck_assert_uint_eq(b.news, 2);
	close_both(&a, &b, dir);
}
END_TEST

START_TEST(changes_numbers_and_inodes_are_given_out_once)
{
	uint64_t seen[200], ino;
	struct side a, b;
	char name[16];
	size_t i, j;
	char *dir;

	open_both(&a, &b, &dir);
	for (i = 0; i < ARRAY_LEN(seen); i++) {
		struct side *s = i % 3 ? &a : &b;

		snprintf(name, sizeof(name), "f%zu", i);
		ino = make(s, name);
		for (j = 0; j < i; j++)
			ck_assert_uint_ne(seen[j], ino);
		seen[i] = ino;
		commit(s);
		ck_assert_uint_eq(ns_last_change(a.ns), i + 2);
		ck_assert_uint_eq(ns_last_change(b.ns), i + 2);
	}
	close_both(&a, &b, dir);
}
END_TEST

START_TEST(changes_too_many_or_of_another_chain_are_refused)
{
	struct changes *c = NULL;
	struct addr zero = {0}, other = {{1}};
	struct side a, b;
	char *dir;
	int i;

	open_both(&a, &b, &dir);
	for (i = 0; i < 5; i++) {
		char name[2] = {(char)('a' + i), '\0'};

		make(&a, name);
		commit(&a);
	}
	ck_assert_int_eq(journal_look(b.journal), 0);
	ck_assert_int_eq(changes_load(b.store, &b.from, &b.to, 300, &c),
			 -E2BIG);
	ck_assert_int_eq(changes_load(b.store, &other, &b.to, MIB(1), &c),
			 -EBADMSG);
	ck_assert_int_eq(changes_load(b.store, &b.from, &other, MIB(1), &c),
			 -EBADMSG);
	/* from the very first, the root */
	ck_assert_int_eq(changes_load(b.store, &zero, &b.to, MIB(1), &c), 0);
	changes_free(c);
	close_both(&a, &b, dir);
}
END_TEST

TESTS("changes", changes_of_another_process_are_told_once_and_own_never,
      changes_before_an_own_batch_are_told_when_it_begins,
      changes_numbers_and_inodes_are_given_out_once,
      changes_too_many_or_of_another_chain_are_refused)
