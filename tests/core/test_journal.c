#include "core/journal.h"

#include <stdio.h>
#include <sys/stat.h>

#include "core/branch.h"
#include "core/keepsakes.h"
#include "core/results.h"
#include "tests/core/fixture.h"

/* A journal alone on its database, with what it put in order. */
struct bench {
	char *dir, *path;
	struct db *db;
	struct journal *j;
	struct buf put[64];
	struct addr addrs[64];
	size_t n;
	uint64_t n_salts;
	int fail_put, fail_salt;
};

static struct bench t;
static const struct ns_by who = {1000, 4711, "cc1", "a message"};

static int keep(void *ctx, enum obj_kind kind, const void *p, size_t n,
		struct addr *ret)
{
	if (t.fail_put)
		return t.fail_put;
	ck_assert_int_eq(kind, OBJ_JOURNAL);
	ck_assert_uint_lt(t.n, ARRAY_LEN(t.put));
	ck_assert_uint_le(n, JOURNAL_MAX);
	buf_add(&t.put[t.n], p, n);
	addr_of(kind, p, n, ret);
	t.addrs[t.n++] = *ret;
	return 0;
}

static int counted_salt(void *ctx, void *p, size_t n)
{
	if (t.fail_salt)
		return t.fail_salt;
	memset(p, 0xa5, n);
	for (; n >= 16; n -= 16, p = (char *)p + 16)
		put_le64(p, ++t.n_salts);
	return 0;
}

static void setup(void)
{
	struct err err = {""};

	memset(&t, 0, sizeof(t));
	t.dir = test_dir();
	ck_assert_int_gt(asprintf(&t.path, "%s/db", t.dir), 0);
	ck_assert_msg(db_open(t.path, DB_CREATE, &t.db, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(journal_open(t.db, &t.j), 0);
	journal_set_put(t.j, keep, NULL);
	journal_set_salt(t.j, counted_salt, NULL);
	db_lock(t.db);
}

static void teardown(void)
{
	size_t i;

	db_rollback(t.db);
	db_unlock(t.db);
	journal_close(t.j);
	db_close(t.db);
	for (i = 0; i < ARRAY_LEN(t.put); i++)
		buf_done(&t.put[i]);
	remove_tree(t.dir);
	free(t.dir);
	free(t.path);
}

static int end_batch(void)
{
	ck_assert_int_eq(db_begin(t.db), 0);
	return db_commit(t.db);
}

/* One change with every kind of effect. */
static void every_effect(uint64_t seq)
{
	struct ns_attr file = {.ino = 7,
			       .mode = S_IFREG | 0644,
			       .uid = 1000,
			       .gid = 100,
			       .size = 12345678901,
			       .mtime_ns = INT64_C(1790000000123456789),
			       .addr = {{1, 2, 3}}};
	struct ns_attr link = {.ino = 8, .mode = S_IFLNK | 0777, .size = 6};
	struct ns_attr dev = {.ino = 9, .mode = S_IFCHR | 0600, .rdev = 0x501};
	struct result good = {.recipe = {{4}},
			      .executable = true,
			      .addr = {{5}},
			      .size = 99,
			      .wall_ns = 1500000};
	struct result bad = {.recipe = {{6}}, .error = 5, .wall_ns = -1};

	journal_change(t.j, seq, INT64_C(1790000000000000001), NS_OP_CREATE,
		       &who);
	journal_name(t.j, true, 1, "na\xffme", 5, 7);
	journal_name(t.j, false, 1, "old", 3, 6);
	journal_inode(t.j, &file, NULL);
	journal_inode(t.j, &link, "target");
	journal_inode(t.j, &dev, NULL);
	journal_xattr(t.j, 7, "user.a", "value", 5);
	journal_xattr(t.j, 7, "user.b", "", 0);
	journal_xattr(t.j, 7, "user.c", NULL, 0);
	journal_result(t.j, 1, "out.txt", 7, &good);
	journal_result(t.j, 1, "bad", 3, &bad);
}

/* One change each with what is let go of and kept. */
static void every_keep(uint64_t seq)
{
	struct pin file = {.path = "dir/file",
			   .dir = 5,
			   .name = "file",
			   .ino = 7,
			   .seq = 40,
			   .time_ns = INT64_C(1790000000000000003)};
	struct pin root = {.path = "", .dir = 1, .name = "", .ino = 1};

	journal_change(t.j, seq, INT64_C(1790000000000000004), NS_OP_FORGET,
		       &who);
	journal_gone(t.j, 7, 41);
	journal_gone(t.j, UINT64_C(1) << 40, 42);
	journal_change(t.j, seq + 1, INT64_C(1790000000000000005), NS_OP_KEEP,
		       &who);
	journal_snapshot(t.j, "before", 43, INT64_C(1790000000000000006));
	journal_pin(t.j, &file);
	journal_pin(t.j, &root);
	journal_unpin(t.j, "dir/file");
	journal_setting(t.j, "retention", "last 5");
	journal_setting(t.j, "budget", "");
}

/* What came with branches, and with what is forgotten and dropped. */
static void every_late_effect(uint64_t seq)
{
	struct branch b = {.id = 2, .parent = 1, .forked_at = 41, .name = "b"};

	journal_change(t.j, seq, INT64_C(1790000000000000007), NS_OP_BRANCH,
		       &who);
	journal_branch(t.j, &b);
	memcpy(b.name, "fix/1", 6);
	journal_branch(t.j, &b);
	journal_change(t.j, seq + 1, INT64_C(1790000000000000008), NS_OP_MERGE,
		       &who);
	journal_merged(t.j, 2, seq);
	journal_set_branch(t.j, 2);
	journal_change(t.j, seq + 2, INT64_C(1790000000000000009), NS_OP_BRANCH,
		       &who);
	journal_unbranch(t.j, 2);
	journal_set_branch(t.j, 1);
	journal_change(t.j, seq + 3, INT64_C(1790000000000000010), NS_OP_FORGET,
		       &who);
	journal_dropped(t.j, 5, "out.txt", 7, &(struct addr){{4}});
	journal_dropped(t.j, 0, NULL, 0, &(struct addr){{6}});
	journal_values_now(t.j, &(struct addr){{7}}, &(struct addr){{8}},
			   &(struct addr){{9}});
	journal_scrubbed(t.j, seq + 3);
}

/* --- encoding again what was decoded ------------------------------------- */

static void again_effect(struct buf *b, const struct journal_effect *e)
{
	buf_u8(b, (uint8_t)e->type);
	switch (e->type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		buf_u64(b, e->dir);
		buf_u64(b, e->ino);
		buf_add(b, &e->name.hash, ADDR_LEN);
		break;
	case JOURNAL_INODE:
		buf_u64(b, e->ino);
		buf_u32(b, e->mode);
		buf_u32(b, e->uid);
		buf_u32(b, e->gid);
		buf_u64(b, e->rdev);
		buf_u64(b, e->size);
		buf_u64(b, (uint64_t)e->mtime_ns);
		buf_add(b, &e->value.hash, ADDR_LEN);
		break;
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		buf_u64(b, e->ino);
		buf_add(b, &e->name.hash, ADDR_LEN);
		if (e->type == JOURNAL_XATTR)
			buf_add(b, &e->value.hash, ADDR_LEN);
		break;
	case JOURNAL_RESULT:
		buf_u64(b, e->dir);
		buf_add(b, &e->name.hash, ADDR_LEN);
		buf_add(b, &e->recipe.hash, ADDR_LEN);
		buf_u32(b, (uint32_t)e->error);
		buf_u8(b, (uint8_t)output_kind(e->executable, e->output_dir));
		buf_add(b, &e->value.hash, ADDR_LEN);
		buf_u64(b, e->size);
		buf_u64(b, (uint64_t)e->wall_ns);
		break;
	case JOURNAL_GONE:
		buf_u64(b, e->ino);
		buf_u64(b, e->seq);
		break;
	case JOURNAL_SNAPSHOT:
		buf_u64(b, e->seq);
		buf_u64(b, (uint64_t)e->when_ns);
		buf_add(b, &e->name.hash, ADDR_LEN);
		break;
	case JOURNAL_PIN:
		buf_u64(b, e->dir);
		buf_u64(b, e->ino);
		buf_u64(b, e->seq);
		buf_u64(b, (uint64_t)e->when_ns);
		buf_add(b, &e->name.hash, ADDR_LEN);
		buf_add(b, &e->value.hash, ADDR_LEN);
		break;
	case JOURNAL_UNPIN:
		buf_add(b, &e->name.hash, ADDR_LEN);
		break;
	case JOURNAL_SETTING:
		buf_add(b, &e->name.hash, ADDR_LEN);
		buf_add(b, &e->value.hash, ADDR_LEN);
		break;
	case JOURNAL_BRANCH:
		buf_u64(b, e->ino);
		buf_u64(b, e->dir);
		buf_u64(b, e->seq);
		buf_add(b, &e->name.hash, ADDR_LEN);
		break;
	case JOURNAL_UNBRANCH:
		buf_u64(b, e->ino);
		break;
	case JOURNAL_MERGED:
		buf_u64(b, e->ino);
		buf_u64(b, e->seq);
		break;
	case JOURNAL_DROPPED:
		buf_u64(b, e->dir);
		buf_add(b, &e->name.hash, ADDR_LEN);
		buf_add(b, &e->recipe.hash, ADDR_LEN);
		break;
	case JOURNAL_VALUES:
		buf_add(b, &e->of, ADDR_LEN);
		buf_add(b, &e->before, ADDR_LEN);
		buf_add(b, &e->now, ADDR_LEN);
		break;
	case JOURNAL_SCRUBBED:
		buf_u64(b, e->seq);
		break;
	}
}

static int again_one(void *ctx, const struct journal_record *r,
		     const struct journal_effect *e)
{
	again_effect(ctx, e);
	return 0;
}

static int again_record(void *ctx, const void *record, size_t len)
{
	CLEANUP_BUF struct buf effects = BUF_INIT;
	struct journal_record r;
	struct buf *b = ctx;

	ck_assert_int_eq(journal_record(record, len, NULL, &r, again_one,
					&effects),
			 0);
	buf_u32(b, (uint32_t)(98 + effects.len));
	buf_u64(b, r.seq);
	buf_u64(b, (uint64_t)r.time_ns);
	buf_u16(b, (uint16_t)r.op);
	buf_u32(b, r.branch);
	buf_u32(b, r.uid);
	buf_u32(b, r.pid);
	buf_add(b, &r.program.hash, ADDR_LEN);
	buf_add(b, &r.message.hash, ADDR_LEN);
	buf_u32(b, r.effects);
	buf_add(b, effects.data, effects.len);
	return 0;
}

/* What the decoder accepts has to come out the same. */
static int decode_again(const void *p, size_t n)
{
	CLEANUP_BUF struct buf b = BUF_INIT, records = BUF_INIT;
	struct journal_info i;
	int rc;

	rc = journal_decode(p, n, &i, again_record, &records);
	if (rc < 0)
		return rc;
	buf_add(&b, "J\1", 2);
	buf_u8(&b, i.last);
	buf_add(&b, &i.prev, ADDR_LEN);
	buf_add(&b, &i.clear, ADDR_LEN);
	buf_u64(&b, i.first_seq);
	buf_u32(&b, i.count);
	buf_add(&b, records.data, records.len);
	ck_assert_uint_eq(b.len, n);
	ck_assert_mem_eq(b.data, p, n);
	return 0;
}

/* --- tests --------------------------------------------------------------- */

START_TEST(journal_bytes_are_fixed_for_ever)
{
	char journal[ADDR_HEX], clear[ADDR_HEX], second[ADDR_HEX];
	struct addr head;
	uint64_t seq;

	setup();
	every_effect(41);
	journal_change(t.j, 43, INT64_C(1790000000000000002), NS_OP_UNLINK,
		       &(struct ns_by){.uid = 1});
	ck_assert_int_eq(end_batch(), 0);
	every_effect(44);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 4);
	addr_hex(&t.addrs[0], clear);
	addr_hex(&t.addrs[1], journal);
	addr_hex(&t.addrs[3], second);
	ck_assert_str_eq(clear, "3b428aeb2476ace42591a379884b437ea323eed5a0db65"
				"ff200d73acd53fd867");
	ck_assert_str_eq(journal, "b17a7c583380e25061567cb94228d813d24d649216e0"
				  "01d8d86e9f1822f4c40c");
	ck_assert_str_eq(second, "8ac9e635b1da0a9b36643e144091ba12d7fd057742b91"
				 "f4af7df157c1516fa12");
	ck_assert_int_eq(journal_head(t.j, &head, &seq), 0);
	ck_assert(addr_eq(&head, &t.addrs[3]));
	ck_assert_uint_eq(seq, 44);
	teardown();
}
END_TEST

START_TEST(journal_bytes_of_what_is_kept_are_fixed_for_ever)
{
	char journal[ADDR_HEX], clear[ADDR_HEX];

	setup();
	every_keep(45);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 2);
	addr_hex(&t.addrs[0], clear);
	addr_hex(&t.addrs[1], journal);
	ck_assert_str_eq(clear, "512e18dbbdb768000e23d68608b7dc309aa4018e7323e8"
				"7587a794ee091aac68");
	ck_assert_str_eq(journal, "525b3f7c8055a72ed24fbb3152773079ae88b16f9059"
				  "644a8c1b0ae70b6ca4d9");
	ck_assert_int_eq(decode_again(t.put[1].data, t.put[1].len), 0);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len,
				       t.put[0].data, t.put[0].len),
			 0);
	teardown();
}
END_TEST

/* The same bytes are in tests/format/compare.py, from the manual alone. */
START_TEST(journal_bytes_of_branches_and_forgetting_are_fixed_for_ever)
{
	char journal[ADDR_HEX], clear[ADDR_HEX];

	setup();
	every_late_effect(50);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 2);
	addr_hex(&t.addrs[0], clear);
	addr_hex(&t.addrs[1], journal);
	ck_assert_str_eq(clear, "f445250b8c5dd7a1ec034b3b2b11202cb735040609e30c"
				"a7b7fd463e68f3374e");
	ck_assert_str_eq(journal, "7f49e327f76b24d8d9d000ac2aa38d6eb3c0bb4ea55c"
				  "96988313673b86142379");
	ck_assert_int_eq(decode_again(t.put[1].data, t.put[1].len), 0);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len,
				       t.put[0].data, t.put[0].len),
			 0);
	teardown();
}
END_TEST

static int print_effect(void *ctx, const struct journal_record *r,
			const struct journal_effect *e)
{
	buf_fmt(ctx, "%d:%ju:%ju:%.*s:%.*s ", (int)e->type, (uintmax_t)e->dir,
		(uintmax_t)e->ino, (int)e->name.len,
		e->name.p ? (const char *)e->name.p : "", (int)e->value.len,
		e->value.len == ADDR_LEN ? "ADDRESS"
		: e->value.p		 ? (const char *)e->value.p
					 : "");
	return 0;
}

struct both {
	struct journal_values values;
	struct buf text;
};

static int print_record(void *ctx, const void *record, size_t len)
{
	struct both *b = ctx;
	struct journal_record r;

	ck_assert_int_eq(journal_record(record, len, &b->values, &r,
					print_effect, &b->text),
			 0);
	buf_fmt(&b->text, "| %ju %u %u %.*s %.*s", (uintmax_t)r.seq, r.op,
		r.uid, (int)r.program.len,
		r.program.p ? (const char *)r.program.p : "",
		(int)r.message.len,
		r.message.p ? (const char *)r.message.p : "");
	return 0;
}

START_TEST(journal_decodes_to_what_was_recorded)
{
	struct journal_info info;
	struct both b = {.text = BUF_INIT};

	setup();
	every_effect(41);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_int_eq(journal_values(t.put[0].data, t.put[0].len, &b.values),
			 0);
	ck_assert_uint_eq(b.values.left, 16);
	ck_assert_int_eq(journal_decode(t.put[1].data, t.put[1].len, &info,
					print_record, &b),
			 0);
	ck_assert_str_eq(buf_cstr(&b.text),
			 "1:1:7:na\xffme: 2:1:6:old: 3:0:7::ADDRESS "
			 "3:0:8::target 3:0:9:: 4:0:7:user.a:value "
			 "4:0:7:user.b: 5:0:7:user.c: 6:1:0:out.txt:ADDRESS "
			 "6:1:0:bad: | 41 1 1000 cc1 a message");
	ck_assert_uint_eq(info.first_seq, 41);
	ck_assert_uint_eq(info.count, 1);
	ck_assert(info.last);
	ck_assert(addr_is_zero(&info.prev));
	ck_assert(addr_eq(&info.clear, &t.addrs[0]));
	ck_assert_uint_eq(b.values.left, 0);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len,
				       t.put[0].data, t.put[0].len),
			 0);
	ck_assert_int_eq(decode_again(t.put[1].data, t.put[1].len), 0);
	buf_done(&b.text);
	teardown();
}
END_TEST

START_TEST(journal_decoders_refuse_every_shorter_and_longer_object)
{
	struct journal_values v;
	uint8_t *copy;
	size_t n;

	setup();
	every_effect(41);
	every_effect(42);
	ck_assert_int_eq(end_batch(), 0);
	/* exact copies, so that a sanitizer sees what is read behind them */
	for (n = 0; n < t.put[1].len; n++) {
		copy = malloc(n ? n : 1);
		memcpy(copy, t.put[1].data, n);
		ck_assert_int_eq(decode_again(copy, n), -EBADMSG);
		free(copy);
	}
	for (n = 0; n < t.put[0].len; n++) {
		copy = malloc(n ? n : 1);
		memcpy(copy, t.put[0].data, n);
		ck_assert_int_eq(journal_values(copy, n, &v), -EBADMSG);
		free(copy);
	}
	buf_u8(&t.put[0], 0);
	buf_u8(&t.put[1], 0);
	ck_assert_int_eq(decode_again(t.put[1].data, t.put[1].len), -EBADMSG);
	ck_assert_int_eq(journal_values(t.put[0].data, t.put[0].len, &v),
			 -EBADMSG);
	teardown();
}
END_TEST

START_TEST(journal_decoder_accepts_only_what_encodes_the_same)
{
	struct buf *b = &t.put[1];
	size_t i, bit, refused = 0;

	setup();
	every_effect(41);
	every_effect(42);
	ck_assert_int_eq(end_batch(), 0);
	for (i = 0; i < b->len; i++) {
		for (bit = 0; bit < 8; bit++) {
			b->data[i] ^= (uint8_t)(1 << bit);
			refused += decode_again(b->data, b->len) < 0;
			ck_assert_int_eq(journal_check(b->data, b->len,
						       t.put[0].data,
						       t.put[0].len) < 0 ||
						 i >= 2,
					 1);
			b->data[i] ^= (uint8_t)(1 << bit);
		}
	}
	ck_assert_uint_gt(refused, 300);
	teardown();
}
END_TEST

START_TEST(journal_check_finds_every_changed_value)
{
	struct buf *v = &t.put[0], *b = &t.put[1];
	size_t i;

	setup();
	every_effect(41);
	ck_assert_int_eq(end_batch(), 0);
	for (i = 0; i < v->len; i++) {
		v->data[i] ^= 1;
		ck_assert_int_eq(journal_check(b->data, b->len, v->data,
					       v->len),
				 -EBADMSG);
		v->data[i] ^= 1;
	}
	teardown();
}
END_TEST

START_TEST(journal_forgotten_values_pass_and_are_unknown)
{
	CLEANUP_BUF struct buf less = BUF_INIT;
	struct both b = {.text = BUF_INIT};
	struct journal_info info;

	setup();
	journal_change(t.j, 5, 6, NS_OP_UNLINK, &(struct ns_by){.uid = 1});
	journal_name(t.j, false, 1, "secret", 6, 2);
	journal_name(t.j, true, 1, "known", 5, 2);
	ck_assert_int_eq(end_batch(), 0);
	buf_add(&less, "V\1\2\0\0\0\xff\xff\xff\xff", 10);
	buf_add(&less, t.put[0].data + 6 + 4 + 16 + 6,
		t.put[0].len - 6 - 4 - 16 - 6);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len, less.data,
				       less.len),
			 0);
	ck_assert_int_eq(journal_values(less.data, less.len, &b.values), 0);
	ck_assert_int_eq(journal_decode(t.put[1].data, t.put[1].len, &info,
					print_record, &b),
			 0);
	ck_assert_str_eq(buf_cstr(&b.text), "2:1:2:: 1:1:2:known: | 5 5 1  ");
	buf_done(&b.text);
	teardown();
}
END_TEST

START_TEST(journal_salts_differ_for_equal_values)
{
	setup();
	journal_set_salt(t.j, NULL, NULL);
	journal_change(t.j, 5, 6, NS_OP_UNLINK, &(struct ns_by){.uid = 1});
	journal_name(t.j, false, 1, "same", 4, 2);
	journal_name(t.j, false, 1, "same", 4, 2);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len,
				       t.put[0].data, t.put[0].len),
			 0);
	ck_assert_mem_ne(t.put[0].data + 10, t.put[0].data + 34, 16);
	ck_assert_mem_ne(t.put[1].data + t.put[1].len - 32,
			 t.put[1].data + t.put[1].len - 32 - 49, 32);
	teardown();
}
END_TEST

static int count_record(void *ctx, const void *record, size_t len)
{
	(*(unsigned *)ctx)++;
	return 0;
}

START_TEST(journal_long_batch_is_several_of_which_the_last_is_marked)
{
	struct journal_info info;
	char value[60000] = "";
	unsigned records = 0;
	size_t i;

	setup();
	for (i = 0; i < 20000; i++) {
		journal_change(t.j, i + 1, 0, NS_OP_UNLINK, &who);
		journal_name(t.j, false, 1, "x", 1, i);
		if (i % 500 == 0)
			journal_xattr(t.j, i, "user.big", value, sizeof(value));
	}
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_gt(t.n, 6);
	for (i = 0; i < t.n; i += 2) {
		ck_assert_int_eq(journal_check(t.put[i + 1].data,
					       t.put[i + 1].len, t.put[i].data,
					       t.put[i].len),
				 0);
		ck_assert_int_eq(journal_decode(t.put[i + 1].data,
						t.put[i + 1].len, &info, NULL,
						NULL),
				 0);
		ck_assert_uint_eq(info.first_seq, records + 1);
		ck_assert_int_eq(info.last, i + 2 == t.n);
		ck_assert(addr_eq(&info.clear, &t.addrs[i]));
		if (i)
			ck_assert(addr_eq(&info.prev, &t.addrs[i - 1]));
		ck_assert_int_eq(journal_decode(t.put[i + 1].data,
						t.put[i + 1].len, &info,
						count_record, &records),
				 0);
	}
	ck_assert_uint_eq(records, 20000);
	teardown();
}
END_TEST

START_TEST(journal_long_change_goes_on_in_further_records)
{
	struct journal_info info;
	unsigned records = 0;
	size_t i;

	setup();
	journal_change(t.j, 9, 0, NS_OP_RENAME, &who);
	for (i = 0; i < 30000; i++)
		journal_name(t.j, false, 1, "name", 4, i);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_gt(t.n, 2);
	for (i = 0; i < t.n; i += 2) {
		ck_assert_int_eq(journal_check(t.put[i + 1].data,
					       t.put[i + 1].len, t.put[i].data,
					       t.put[i].len),
				 0);
		ck_assert_int_eq(journal_decode(t.put[i + 1].data,
						t.put[i + 1].len, &info,
						count_record, &records),
				 0);
		ck_assert_uint_eq(info.first_seq, 9);
		ck_assert_int_eq(decode_again(t.put[i + 1].data,
					      t.put[i + 1].len),
				 0);
	}
	ck_assert_uint_gt(records, 8);
	teardown();
}
END_TEST

START_TEST(journal_undo_takes_the_newest_record_back)
{
	struct addr same;
	size_t i;

	setup();
	journal_change(t.j, 1, 0, NS_OP_LINK, &who);
	journal_name(t.j, true, 1, "one", 3, 1);
	journal_change(t.j, 2, 0, NS_OP_RENAME, &who);
	for (i = 0; i < 30000; i++)
		journal_name(t.j, false, 1, "name", 4, i);
	journal_undo(t.j);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len,
				       t.put[0].data, t.put[0].len),
			 0);
	journal_change(t.j, 3, 0, NS_OP_LINK, &who);
	journal_undo(t.j);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_int_eq(journal_head(t.j, &same, NULL), 0);
	ck_assert(addr_eq(&same, &t.addrs[1]));
	teardown();
}
END_TEST

START_TEST(journal_that_cannot_be_written_fails_the_commit)
{
	struct addr head;

	setup();
	ck_assert_int_eq(journal_head(t.j, &head, NULL), -ENOENT);
	t.fail_put = -ENOSPC;
	every_effect(1);
	ck_assert_int_eq(end_batch(), -ENOSPC);
	t.fail_put = 0;
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 0);
	t.fail_salt = -EIO;
	journal_set_salt(t.j, counted_salt, NULL); /* none left over */
	every_effect(2);
	ck_assert_int_eq(end_batch(), -EIO);
	t.fail_salt = 0;
	every_effect(3);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 2);
	ck_assert_int_eq(journal_check(t.put[1].data, t.put[1].len,
				       t.put[0].data, t.put[0].len),
			 0);
	teardown();
}
END_TEST

START_TEST(journal_of_a_batch_rolled_back_is_not_written)
{
	setup();
	ck_assert_int_eq(db_begin(t.db), 0);
	every_effect(1);
	db_rollback(t.db);
	ck_assert_int_eq(end_batch(), 0);
	ck_assert_uint_eq(t.n, 0);
	teardown();
}
END_TEST

START_TEST(journal_without_a_place_to_put_records_nothing)
{
	setup();
	journal_set_put(t.j, NULL, NULL);
	every_effect(1);
	ck_assert_int_eq(end_batch(), 0);
	journal_change(NULL, 1, 1, NS_OP_LINK, &who);
	journal_name(NULL, true, 1, "a", 1, 1);
	journal_undo(NULL);
	ck_assert_uint_eq(t.n, 0);
	teardown();
}
END_TEST

/* --- the namespace from its journals ------------------------------------- */

struct rebuilt {
	struct map *names;  /* dir and name: to the number, boxed */
	struct map *inodes; /* number to struct journal_effect */
	struct journal_values values;
	uint64_t last_seq;
};

static void name_key(struct buf *b, uint64_t dir, const void *name, size_t len)
{
	buf_reset(b);
	buf_u64(b, dir);
	buf_add(b, name, len);
}

static int replay_effect(void *ctx, const struct journal_record *rec,
			 const struct journal_effect *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT;
	struct journal_effect *copy;
	struct rebuilt *r = ctx;
	void *old = NULL;

	ck_assert_uint_gt(rec->seq, 0);
	if (e->type == JOURNAL_INODE) {
		copy = malloc(sizeof(*copy));
		*copy = *e;
		ck_assert_int_eq(map_put(r->inodes, &e->ino, sizeof(e->ino),
					 copy, &old),
				 0);
		free(old);
	} else if (e->type == JOURNAL_BORN) {
		name_key(&key, e->dir, e->name.p, e->name.len);
		ck_assert_int_eq(map_put(r->names, key.data, key.len,
					 (void *)(uintptr_t)e->ino, &old),
				 0);
		ck_assert_ptr_null(old);
	} else if (e->type == JOURNAL_DIED) {
		name_key(&key, e->dir, e->name.p, e->name.len);
		ck_assert_uint_eq((uintptr_t)map_del(r->names, key.data,
						     key.len),
				  e->ino);
	}
	return 0;
}

static int replay_record(void *ctx, const void *record, size_t len)
{
	struct rebuilt *r = ctx;
	struct journal_record rec;

	ck_assert_int_eq(journal_record(record, len, &r->values, &rec,
					replay_effect, r),
			 0);
	ck_assert_uint_gt(rec.seq, r->last_seq);
	r->last_seq = rec.seq;
	return 0;
}

static void replay(struct fixture *f, struct rebuilt *r, const struct addr *a)
{
	struct journal_info info;
	struct buf *b, *clear;

	if (addr_is_zero(a))
		return;
	b = map_get(f->objects, a, sizeof(*a));
	ck_assert_ptr_nonnull(b);
	ck_assert_int_eq(journal_decode(b->data, b->len, &info, NULL, NULL), 0);
	replay(f, r, &info.prev);
	clear = map_get(f->objects, &info.clear, sizeof(info.clear));
	ck_assert_ptr_nonnull(clear);
	ck_assert_int_eq(journal_values(clear->data, clear->len, &r->values),
			 0);
	ck_assert_int_eq(journal_decode(b->data, b->len, &info, replay_record,
					r),
			 0);
}

struct compare {
	struct fixture *f;
	struct rebuilt *r;
	uint64_t dir;
	size_t names;
};

static int compare_entry(void *ctx, const struct ns_entry *e)
{
	CLEANUP_BUF struct buf key = BUF_INIT, target = BUF_INIT;
	struct compare *c = ctx, sub;
	const struct journal_effect *i;
	struct ns_attr a = attr_of(c->f, e->ino);

	name_key(&key, c->dir, e->name, e->len);
	ck_assert_uint_eq((uintptr_t)map_get(c->r->names, key.data, key.len),
			  e->ino);
	c->names++;
	i = map_get(c->r->inodes, &e->ino, sizeof(e->ino));
	ck_assert_ptr_nonnull(i);
	ck_assert_uint_eq(i->mode, a.mode);
	ck_assert_uint_eq(i->uid, a.uid);
	ck_assert_uint_eq(i->gid, a.gid);
	if (S_ISLNK(a.mode)) {
		ck_assert_int_eq(ns_readlink(c->f->ns, NS_NOW, e->ino, &target),
				 0);
		ck_assert_uint_eq(i->value.len, target.len);
		ck_assert_mem_eq(i->value.p, target.data, target.len);
	}
	if (S_ISREG(a.mode)) {
		ck_assert_uint_eq(i->size, a.size);
		ck_assert_int_eq(i->mtime_ns, a.mtime_ns);
		ck_assert_mem_eq(i->value.p, a.addr.b, ADDR_LEN);
	}
	if (S_ISDIR(a.mode)) {
		sub = *c;
		sub.dir = e->ino;
		ck_assert_int_eq(ns_list(c->f->ns, NS_NOW, e->ino, NULL, 0,
					 compare_entry, &sub),
				 0);
		c->names = sub.names;
	}
	return 0;
}

static uint64_t rnd(uint64_t *s, uint64_t n)
{
	*s = *s * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (*s >> 33) % n;
}

static void random_change(struct fixture *f, uint64_t *s)
{
	static const char *const names[] = {"a", "b", "c", "d"};
	const char *name = names[rnd(s, 4)], *to = names[rnd(s, 4)];
	uint64_t dir = NS_ROOT, to_dir = NS_ROOT, ino;
	struct ns_attr a = {.mode = (uint32_t)rnd(s, 512)};
	int rc;

	if (rnd(s, 2) && try_lookup(f, NS_NOW, NS_ROOT, "d", &ino) == 0)
		dir = ino;
	if (rnd(s, 2) && try_lookup(f, NS_NOW, NS_ROOT, "a", &ino) == 0)
		to_dir = ino;
	switch (rnd(s, 6)) {
	case 0:
		rc = ns_create(f->ns, &by, dir, name, 1,
			       rnd(s, 2) ? S_IFREG : S_IFDIR, 1, 2, 0, NULL,
			       &a);
		break;
	case 1:
		rc = ns_create(f->ns, &by, dir, name, 1, S_IFLNK, 1, 2, 0, "to",
			       &a);
		break;
	case 2:
		rc = ns_unlink(f->ns, &by, dir, name, 1, rnd(s, 2), &a);
		break;
	case 3:
		rc = try_rename(f, dir, name, to_dir, to, (unsigned)rnd(s, 3));
		break;
	case 4:
		rc = try_lookup(f, NS_NOW, dir, name, &ino);
		if (rc == 0 && S_ISREG(attr_of(f, ino).mode))
			set_content(f, ino, to);
		break;
	default:
		rc = try_lookup(f, NS_NOW, dir, name, &ino);
		if (rc == 0)
			rc = ns_setattr(f->ns, &by, ino, NS_SET_MODE, &a, &a);
	}
	ck_assert_int_ne(rc, -EUCLEAN);
}

START_TEST(journal_chain_holds_the_whole_namespace)
{
	struct compare c;
	struct rebuilt r = {.names = map_new(), .inodes = map_new()};
	struct fixture f;
	struct addr head;
	uint64_t s = 12345;
	size_t it = 0;
	void *p;
	int i;

	fixture_open(&f);
	for (i = 0; i < 3000; i++) {
		random_change(&f, &s);
		if (!rnd(&s, 40))
			db_rollback(f.db);
		if (!rnd(&s, 10))
			commit(&f);
		if (!rnd(&s, 500))
			fixture_reopen(&f);
	}
	commit(&f);
	ck_assert_int_eq(journal_head(f.journal, &head, NULL), 0);
	replay(&f, &r, &head);
	ck_assert_uint_eq(r.last_seq, ns_last_change(f.ns));
	p = map_get_u64(r.inodes, NS_ROOT); /* recorded, too */
	ck_assert_ptr_nonnull(p);
	c = (struct compare){&f, &r, NS_ROOT, 0};
	ck_assert_int_eq(ns_list(f.ns, NS_NOW, NS_ROOT, NULL, 0, compare_entry,
				 &c),
			 0);
	ck_assert_uint_eq(c.names, map_count(r.names));
	ck_assert_uint_gt(c.names, 2);
	while (map_next(r.inodes, &it, NULL, NULL, &p))
		free(p);
	map_free(r.inodes);
	map_free(r.names);
	fixture_done(&f);
}
END_TEST

TESTS("journal", journal_bytes_are_fixed_for_ever,
      journal_bytes_of_what_is_kept_are_fixed_for_ever,
      journal_bytes_of_branches_and_forgetting_are_fixed_for_ever,
      journal_decodes_to_what_was_recorded,
      journal_decoders_refuse_every_shorter_and_longer_object,
      journal_decoder_accepts_only_what_encodes_the_same,
      journal_check_finds_every_changed_value,
      journal_forgotten_values_pass_and_are_unknown,
      journal_salts_differ_for_equal_values,
      journal_long_batch_is_several_of_which_the_last_is_marked,
      journal_long_change_goes_on_in_further_records,
      journal_undo_takes_the_newest_record_back,
      journal_that_cannot_be_written_fails_the_commit,
      journal_of_a_batch_rolled_back_is_not_written,
      journal_without_a_place_to_put_records_nothing,
      journal_chain_holds_the_whole_namespace)
