/* Why: what was done must not be rewritten, removed or moved without anybody
 * noticing. Heads of a growing log must go on from each other, whatever was
 * remembered of it in between; and each row that is changed behind the back of
 * the store is found and named by the check. */
#include <stdio.h>

#include "cas/fsck.h"
#include "cas/proof.h"
#include "core/journal.h"
#include "core/ns.h"
#include "tests/cas/util.h"
#include "tests/lib/harness.h"

static const struct ns_by by = {1, 2, "test", "a message"};

static int put(void *ctx, enum obj_kind kind, const void *p, size_t n,
	       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

/* Makes files NUMBER from..to, a few in each batch. */
static void create(struct store *s, unsigned from, unsigned to)
{
	struct db *db = store_db(s);
	struct journal *j;
	struct ns_attr a;
	struct err err;
	struct ns *ns;
	char name[16];
	unsigned i;

	db_lock(db);
	ck_assert_int_eq(ns_open(db, 0, 0, &ns, &err), 0);
	ck_assert_int_eq(journal_open(db, &j), 0);
	journal_set_put(j, put, s);
	ns_set_journal(ns, j);
	for (i = from; i < to; i++) {
		snprintf(name, sizeof(name), "%u", i);
		ck_assert_int_eq(ns_create(ns, &by, NS_ROOT, name, strlen(name),
					   0100644, 0, 0, 0, NULL, &a),
				 0);
		if (i % 7 == 3)
			ck_assert_int_eq(db_commit(db), 0);
	}
	ck_assert_int_eq(db_commit(db), 0);
	ns_close(ns);
	journal_close(j);
	db_unlock(db);
}

static struct tile_head head_of(struct store *s, struct mlog **ret,
				struct peek **ret_peek)
{
	struct tile_head h;
	struct err err = {{0}};

	ck_assert_msg(!peek_open(store_path(s), ret_peek, &err), "%s", err.msg);
	ck_assert_msg(!head_make(s, *ret_peek, &h, ret, &err), "%s", err.msg);
	ck_assert_uint_eq(h.size, mlog_size(*ret));
	return h;
}

#define HEADS 12

START_TEST(mlog_every_head_goes_on_from_every_older_one)
{
	struct tile_head heads[HEADS];
	struct proof_facts facts;
	struct err err = {{0}};
	struct mlog *log = NULL;
	struct peek *p = NULL;
	struct store *s;
	unsigned i, k, n = 0;
	char *dir;

	s = new_store(&dir);
	for (i = 0; i < HEADS; i++) {
		mlog_close(log);
		peek_close(p);
		/* sizes around a tile, and several tiles at once */
		k = i < 4 ? 5 : i < 8 ? 64 : 300;
		create(s, n, n + k);
		n += k;
		heads[i] = head_of(s, &log, &p);
		ck_assert_uint_eq(heads[i].size, n + 1); /* and the root */
	}
	for (i = 0; i < HEADS; i++) {
		CLEANUP_BUF struct buf b = BUF_INIT;

		ck_assert_msg(!proof_of_consistency(log, &heads[HEADS - 1],
						    &heads[i], &b, &err),
			      "%s", err.msg);
		ck_assert_msg(!proof_check(buf_cstr(&b), b.len, &facts, &err),
			      "%s", err.msg);
		ck_assert_uint_eq(facts.old.size, heads[i].size);
		proof_facts_done(&facts);
	}
	/* of any leaf, in tiles and behind them */
	for (i = 0; i < n; i += 101) {
		CLEANUP_BUF struct buf b = BUF_INIT;
		char name[16];

		snprintf(name, sizeof(name), "%u", i);
		ck_assert_msg(!proof_of_path(p, log, &heads[HEADS - 1], NS_NOW,
					     name, &b, &err),
			      "%s", err.msg);
		ck_assert_msg(!proof_check(buf_cstr(&b), b.len, &facts, &err),
			      "%s", err.msg);
		ck_assert_uint_eq(facts.seq, i + 2);
		proof_facts_done(&facts);
	}
	mlog_close(log);
	peek_close(p);
	drop_store(s, dir);
}
END_TEST

struct said {
	struct buf text;
};

static void found(void *ctx, const struct fsck_finding *f)
{
	struct said *said = ctx;

	if (f->state == FSCK_DAMAGED)
		buf_fmt(&said->text, "%s\n", f->what);
}

static void check(const char *dir, struct said *said)
{
	struct fsck_host host = {.ctx = said, .found = found};
	struct err err;
	struct fsck *f;

	ck_assert_int_eq(fsck_open(dir, &host, &f, &err), 0);
	ck_assert_int_eq(fsck_check(f), 0);
	fsck_close(f);
}

static void execute(struct store *s, const char *sql)
{
	struct stmt *st;
	int rc;

	db_lock(store_db(s));
	ck_assert_int_eq(db_begin(store_db(s)), 0);
	st = db_prepare(store_db(s), sql, &rc);
	ck_assert_msg(st != NULL, "%s", sql);
	ck_assert_int_eq(stmt_run(st), 0);
	ck_assert_int_eq((int)(db_changes(store_db(s)) > 0), 1);
	stmt_free(st);
	ck_assert_int_eq(db_commit(store_db(s)), 0);
	db_unlock(store_db(s));
}

/* What is changed, how it is changed back, what the check says of it. */
static const struct {
	const char *sql, *back, *said;
} rewrites[] = {
	{"UPDATE change SET program = 'other' WHERE seq = 100",
	 "UPDATE change SET program = 'test' WHERE seq = 100", "change 100"},
	{"UPDATE change SET message = NULL WHERE seq = 100",
	 "UPDATE change SET message = 'a message' WHERE seq = 100",
	 "change 100"},
	{"UPDATE change SET uid = 7 WHERE seq = 101",
	 "UPDATE change SET uid = 1 WHERE seq = 101", "change 101"},
	{"UPDATE version SET mode = 33261 WHERE born = 102",
	 "UPDATE version SET mode = 33188 WHERE born = 102", "change 102"},
	{"UPDATE version SET uid = 5 WHERE born = 103",
	 "UPDATE version SET uid = 0 WHERE born = 103", "change 103"},
	{"UPDATE entry SET name = x'ff' WHERE born = 104",
	 "UPDATE entry SET name = CAST('102' AS BLOB) WHERE born = 104",
	 "change 104"},
	{"UPDATE change SET pid = 9 WHERE seq = 300",
	 "UPDATE change SET pid = 2 WHERE seq = 300", "change 300"},
	{"UPDATE tile SET hash = zeroblob(32) WHERE level = 1 AND pos = 0",
	 NULL, "tile 0 of level 1"},
};

START_TEST(mlog_every_row_that_was_rewritten_is_named)
{
	struct said said = {BUF_INIT};
	struct mlog *log;
	struct peek *p;
	struct store *s;
	char *dir;
	size_t i;

	quiet();
	s = new_store(&dir);
	create(s, 0, 400);
	(void)head_of(s, &log, &p);
	mlog_close(log);
	peek_close(p);
	check(dir, &said);
	ck_assert_str_eq(buf_cstr(&said.text), "");
	for (i = 0; i < ARRAY_LEN(rewrites); i++) {
		execute(s, rewrites[i].sql);
		buf_reset(&said.text);
		check(dir, &said);
		ck_assert_msg(strstr(buf_cstr(&said.text), rewrites[i].said) !=
				      NULL,
			      "%s: said %s", rewrites[i].sql,
			      buf_cstr(&said.text));
		if (rewrites[i].back)
			execute(s, rewrites[i].back);
	}
	buf_done(&said.text);
	drop_store(s, dir);
}
END_TEST

/* The whole chain, and all rows with it, is another one, which fits: then what
 * was signed before tells. */
START_TEST(mlog_another_history_is_not_the_one_that_was_signed)
{
	struct said said = {BUF_INIT};
	struct err err = {{0}};
	struct tile_head old, h;
	struct mlog *log;
	struct peek *p;
	struct store *s, *t;
	char *dir, *other, sql[512];

	quiet();
	s = new_store(&dir);
	create(s, 0, 50);
	old = head_of(s, &log, &p);
	mlog_close(log);
	peek_close(p);
	t = new_store(&other);
	create(t, 0, 50); /* the same, with other times and salts */
	{
		CLEANUP_BUF struct buf b = BUF_INIT;

		buf_fmt(&b,
			"INSERT INTO head(size, root, seq, time, key,"
			" signature) VALUES (%u, x'",
			(unsigned)old.size);
		hex_add(&b, old.root.b, ADDR_LEN);
		buf_fmt(&b, "', %u, %lld, x'", (unsigned)old.seq,
			(long long)old.time_ns);
		hex_add(&b, old.key, sizeof(old.key));
		buf_str(&b, "', x'");
		hex_add(&b, old.signature, sizeof(old.signature));
		buf_str(&b, "')");
		snprintf(sql, sizeof(sql), "%s", buf_cstr(&b));
	}
	execute(t, sql);
	check(other, &said);
	ck_assert_msg(strstr(buf_cstr(&said.text), "the log was rewritten") !=
			      NULL,
		      "%s", buf_cstr(&said.text));
	ck_assert_int_eq(peek_open(other, &p, &err), 0);
	ck_assert_int_eq(head_make(t, p, &h, &log, &err), -EUCLEAN);
	ck_assert(strstr(err.msg, "not the one that was signed") != NULL);
	peek_close(p);
	buf_done(&said.text);
	drop_store(t, other);
	drop_store(s, dir);
}
END_TEST

TESTS("mlog", mlog_every_head_goes_on_from_every_older_one,
      mlog_every_row_that_was_rewritten_is_named,
      mlog_another_history_is_not_the_one_that_was_signed)
