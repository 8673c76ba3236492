/* Journals and clear objects: what is accepted encodes to exactly the same
 * bytes, and says the same each time. The input is the length of the journal
 * in four bytes, the journal, the clear object. */
#include "tests/fuzz/input.h"

#include <errno.h>

#include "core/results.h"
#include "core/journal.h"
#include "core/journal_format.h"

static void put_hash(struct buf *b, const struct journal_value *v)
{
	buf_add(b, v->hash.b, ADDR_LEN);
}

static void put_effect(struct buf *b, const struct journal_effect *e)
{
	buf_u8(b, (uint8_t)e->type);
	switch (e->type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		buf_u64(b, e->dir);
		buf_u64(b, e->ino);
		put_hash(b, &e->name);
		return;
	case JOURNAL_INODE:
		buf_u64(b, e->ino);
		buf_u32(b, e->mode);
		buf_u32(b, e->uid);
		buf_u32(b, e->gid);
		buf_u64(b, e->rdev);
		buf_u64(b, e->size);
		buf_u64(b, (uint64_t)e->mtime_ns);
		put_hash(b, &e->value);
		return;
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		buf_u64(b, e->ino);
		put_hash(b, &e->name);
		if (e->type == JOURNAL_XATTR)
			put_hash(b, &e->value);
		return;
	case JOURNAL_RESULT:
		buf_u64(b, e->dir);
		put_hash(b, &e->name);
		put_hash(b, &e->recipe);
		buf_u32(b, (uint32_t)e->error);
		buf_u8(b, (uint8_t)output_kind(e->executable, e->output_dir));
		put_hash(b, &e->value);
		buf_u64(b, e->size);
		buf_u64(b, (uint64_t)e->wall_ns);
		return;
	case JOURNAL_GONE:
		buf_u64(b, e->ino);
		buf_u64(b, e->seq);
		return;
	case JOURNAL_SNAPSHOT:
		buf_u64(b, e->seq);
		buf_u64(b, (uint64_t)e->when_ns);
		put_hash(b, &e->name);
		return;
	case JOURNAL_PIN:
		buf_u64(b, e->dir);
		buf_u64(b, e->ino);
		buf_u64(b, e->seq);
		buf_u64(b, (uint64_t)e->when_ns);
		put_hash(b, &e->name);
		put_hash(b, &e->value);
		return;
	case JOURNAL_UNPIN:
		put_hash(b, &e->name);
		return;
	case JOURNAL_SETTING:
		put_hash(b, &e->name);
		put_hash(b, &e->value);
		return;
	case JOURNAL_BRANCH:
		buf_u64(b, e->ino);
		buf_u64(b, e->dir);
		buf_u64(b, e->seq);
		put_hash(b, &e->name);
		return;
	case JOURNAL_UNBRANCH:
		buf_u64(b, e->ino);
		return;
	case JOURNAL_MERGED:
		buf_u64(b, e->ino);
		buf_u64(b, e->seq);
		return;
	case JOURNAL_DROPPED:
		buf_u64(b, e->dir);
		put_hash(b, &e->name);
		put_hash(b, &e->recipe);
		return;
	case JOURNAL_VALUES:
		buf_add(b, e->of.b, ADDR_LEN);
		buf_add(b, e->before.b, ADDR_LEN);
		buf_add(b, e->now.b, ADDR_LEN);
		return;
	case JOURNAL_SCRUBBED:
		buf_u64(b, e->seq);
		return;
	}
	REQUIRE(!"a type of effect");
}

static int on_effect(void *ctx, const struct journal_record *r,
		     const struct journal_effect *e)
{
	put_effect(ctx, e);
	return 0;
}

static void put_record_head(struct buf *b, const struct journal_record *r)
{
	buf_u64(b, r->seq);
	buf_u64(b, (uint64_t)r->time_ns);
	buf_u16(b, (uint16_t)r->op);
	buf_u32(b, r->branch);
	buf_u32(b, r->uid);
	buf_u32(b, r->pid);
	put_hash(b, &r->program);
	put_hash(b, &r->message);
	buf_u32(b, r->effects);
}

/* The record made again, behind what is there. */
static int on_record(void *ctx, const void *p, size_t len)
{
	CLEANUP_BUF struct buf effects = BUF_INIT;
	struct journal_record r;
	struct buf *b = ctx;

	REQUIRE(journal_record(p, len, NULL, &r, on_effect, &effects) == 0);
	buf_u32(b, (uint32_t)len);
	put_record_head(b, &r);
	buf_add(b, effects.data, effects.len);
	return 0;
}

static void check_journal(const uint8_t *p, size_t n)
{
	CLEANUP_BUF struct buf again = BUF_INIT;
	CLEANUP_BUF struct buf records = BUF_INIT;
	struct journal_info info;
	int rc = journal_decode(p, n, &info, on_record, &records);

	REQUIRE(rc == 0 || rc == -EBADMSG);
	if (rc < 0) {
		REQUIRE(!records.len);
		return;
	}
	buf_u8(&again, JOURNAL_TAG);
	buf_u8(&again, JOURNAL_VERSION);
	buf_u8(&again, info.last ? JOURNAL_LAST : 0);
	buf_add(&again, info.prev.b, ADDR_LEN);
	buf_add(&again, info.clear.b, ADDR_LEN);
	buf_u64(&again, info.first_seq);
	buf_u32(&again, info.count);
	buf_add(&again, records.data, records.len);
	REQUIRE(again.len == n && !memcmp(again.data, p, n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct journal_values values;
	struct journal_record r;
	struct cur c = cur_of(data, size);
	const uint8_t *journal;
	size_t n;
	int rc;

	rc = journal_record(data, size, NULL, &r, NULL, NULL);
	REQUIRE(rc == 0 || rc == -EBADMSG);
	if (size < 4)
		return 0;
	journal = take_bytes(&c, cur_u32(&c), &n);
	check_journal(journal, n);
	rc = journal_values(c.p, cur_left(&c), &values);
	REQUIRE(rc == 0 || rc == -EBADMSG);
	rc = journal_check(journal, n, c.p, cur_left(&c));
	REQUIRE(rc == 0 || rc == -EBADMSG);
	return 0;
}
