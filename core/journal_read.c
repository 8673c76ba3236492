#include "core/journal.h"

#include <errno.h>

#include "core/journal_format.h"
#include "core/results.h"

/* Lists in an object are bounded by its length, so that nothing needs to be
 * allocated here; what is left over behind a list makes the object bad. */

static void read_addr(struct cur *c, struct addr *ret)
{
	const void *p = cur_bytes(c, ADDR_LEN);

	if (p)
		memcpy(ret->b, p, ADDR_LEN);
}

/* One value: *ret_salt and what follows it, or NULL for a forgotten one. */
static int clear_next(struct journal_values *clear, const uint8_t **ret_salt,
		      size_t *ret_len)
{
	const uint8_t *p;
	uint32_t len;

	if (!clear->left)
		return -EBADMSG;
	clear->left--;
	len = cur_u32(&clear->cur);
	if (!clear->cur.bad && len == JOURNAL_FORGOTTEN) {
		*ret_salt = NULL;
		*ret_len = 0;
		return 0;
	}
	p = cur_bytes(&clear->cur, JOURNAL_SALT + (size_t)len);
	if (!p)
		return -EBADMSG;
	*ret_salt = p;
	*ret_len = len;
	return 0;
}

int journal_values(const void *p, size_t n, struct journal_values *ret)
{
	struct journal_values first, c;
	const uint8_t *salt;
	size_t len;
	int rc = 0;

	c.cur = cur_of(p, n);
	if (cur_u8(&c.cur) != JOURNAL_CLEAR_TAG ||
	    cur_u8(&c.cur) != JOURNAL_VERSION)
		return -EBADMSG;
	c.left = cur_u32(&c.cur);
	first = c;
	while (rc == 0 && c.left)
		rc = clear_next(&c, &salt, &len);
	if (rc < 0)
		return rc;
	if (c.cur.bad || cur_left(&c.cur))
		return -EBADMSG;
	*ret = first;
	return 0;
}

/* What a record is read with. */
struct reader {
	struct cur cur;
	struct journal_values *clear;
	int rc;
};

static void read_value(struct reader *r, bool needed, struct journal_value *ret)
{
	const uint8_t *salt;
	struct addr sum;
	size_t len;

	*ret = (struct journal_value){0};
	read_addr(&r->cur, &ret->hash);
	if (r->rc < 0 || r->cur.bad)
		return;
	if (addr_is_zero(&ret->hash)) {
		if (needed)
			r->rc = -EBADMSG;
		return;
	}
	if (!r->clear)
		return;
	r->rc = clear_next(r->clear, &salt, &len);
	if (r->rc < 0 || !salt)
		return;
	addr_derive(JOURNAL_CONTEXT, salt, JOURNAL_SALT + len, &sum);
	if (!addr_eq(&sum, &ret->hash)) {
		r->rc = -EBADMSG;
		return;
	}
	ret->p = salt + JOURNAL_SALT;
	ret->len = len;
}

static void read_inode(struct reader *r, struct journal_effect *e)
{
	e->ino = cur_u64(&r->cur);
	e->mode = cur_u32(&r->cur);
	e->uid = cur_u32(&r->cur);
	e->gid = cur_u32(&r->cur);
	e->rdev = cur_u64(&r->cur);
	e->size = cur_u64(&r->cur);
	e->mtime_ns = (int64_t)cur_u64(&r->cur);
	read_value(r, false, &e->value);
}

static void read_result(struct reader *r, struct journal_effect *e)
{
	uint32_t error;
	uint8_t kind;

	e->dir = cur_u64(&r->cur);
	read_value(r, true, &e->name);
	read_value(r, true, &e->recipe);
	error = cur_u32(&r->cur);
	kind = cur_u8(&r->cur);
	if (error > INT32_MAX || kind > OUTPUT_DIR)
		r->rc = -EBADMSG;
	e->error = (int)(error & INT32_MAX);
	e->executable = kind == OUTPUT_EXECUTABLE;
	e->output_dir = kind == OUTPUT_DIR;
	read_value(r, false, &e->value);
	e->size = cur_u64(&r->cur);
	e->wall_ns = (int64_t)cur_u64(&r->cur);
}

static void read_pin(struct reader *r, struct journal_effect *e)
{
	e->dir = cur_u64(&r->cur);
	e->ino = cur_u64(&r->cur);
	e->seq = cur_u64(&r->cur);
	e->when_ns = (int64_t)cur_u64(&r->cur);
	read_value(r, true, &e->name);
	read_value(r, true, &e->value);
}

/* What is kept, and what is not. */
static int read_keep(struct reader *r, struct journal_effect *e)
{
	switch (e->type) {
	case JOURNAL_GONE:
		e->ino = cur_u64(&r->cur);
		e->seq = cur_u64(&r->cur);
		return 0;
	case JOURNAL_SNAPSHOT:
		e->seq = cur_u64(&r->cur);
		e->when_ns = (int64_t)cur_u64(&r->cur);
		read_value(r, true, &e->name);
		return 0;
	case JOURNAL_PIN:
		read_pin(r, e);
		return 0;
	case JOURNAL_UNPIN:
		read_value(r, true, &e->name);
		return 0;
	case JOURNAL_SETTING:
		read_value(r, true, &e->name);
		read_value(r, true, &e->value);
		return 0;
	case JOURNAL_BRANCH:
		e->ino = cur_u64(&r->cur);
		e->dir = cur_u64(&r->cur);
		e->seq = cur_u64(&r->cur);
		read_value(r, true, &e->name);
		return 0;
	case JOURNAL_UNBRANCH:
		e->ino = cur_u64(&r->cur);
		return 0;
	case JOURNAL_MERGED:
		e->ino = cur_u64(&r->cur);
		e->seq = cur_u64(&r->cur);
		return 0;
	case JOURNAL_DROPPED:
		e->dir = cur_u64(&r->cur);
		read_value(r, false, &e->name);
		read_value(r, true, &e->recipe);
		return 0;
	case JOURNAL_VALUES:
		read_addr(&r->cur, &e->of);
		read_addr(&r->cur, &e->before);
		read_addr(&r->cur, &e->now);
		return 0;
	case JOURNAL_SCRUBBED:
		e->seq = cur_u64(&r->cur);
		return 0;
	default:
		return -EBADMSG;
	}
}

static int read_effect(struct reader *r, struct journal_effect *e)
{
	uint8_t type = cur_u8(&r->cur);
	int rc = 0;

	*e = (struct journal_effect){.type = type};
	switch (type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		e->dir = cur_u64(&r->cur);
		e->ino = cur_u64(&r->cur);
		read_value(r, true, &e->name);
		break;
	case JOURNAL_INODE:
		read_inode(r, e);
		break;
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		e->ino = cur_u64(&r->cur);
		read_value(r, true, &e->name);
		if (type == JOURNAL_XATTR)
			read_value(r, true, &e->value);
		break;
	case JOURNAL_RESULT:
		read_result(r, e);
		break;
	default:
		rc = read_keep(r, e);
	}
	return rc < 0 || r->cur.bad ? -EBADMSG : r->rc;
}

int journal_record(const void *p, size_t n, struct journal_values *clear,
		   struct journal_record *ret,
		   int (*fn)(void *ctx, const struct journal_record *r,
			     const struct journal_effect *e),
		   void *ctx)
{
	struct reader r = {.cur = cur_of(p, n), .clear = clear};
	struct journal_effect e;
	uint32_t i;
	int rc = 0;

	if (n < JOURNAL_RECORD)
		return -EBADMSG;
	*ret = (struct journal_record){.seq = cur_u64(&r.cur)};
	ret->time_ns = (int64_t)cur_u64(&r.cur);
	ret->op = cur_u16(&r.cur);
	ret->branch = cur_u32(&r.cur);
	ret->uid = cur_u32(&r.cur);
	ret->pid = cur_u32(&r.cur);
	read_value(&r, false, &ret->program);
	read_value(&r, false, &ret->message);
	ret->effects = cur_u32(&r.cur);
	if (!ret->seq || !ret->op || !ret->branch)
		return -EBADMSG;
	rc = r.rc;
	for (i = 0; rc == 0 && i < ret->effects; i++) {
		rc = read_effect(&r, &e);
		if (rc == 0 && fn)
			rc = fn(ctx, ret, &e);
	}
	if (rc == 0 && cur_left(&r.cur))
		rc = -EBADMSG;
	return rc;
}

/* A record with the number of the one before it goes on with that change. */
static bool may_follow(const struct journal_record *r,
		       const struct journal_record *prev)
{
	if (r->seq != prev->seq)
		return r->seq > prev->seq && r->time_ns >= prev->time_ns;
	return r->time_ns == prev->time_ns && r->op == prev->op &&
	       r->branch == prev->branch && r->uid == prev->uid &&
	       r->pid == prev->pid && addr_is_zero(&r->program.hash) &&
	       addr_is_zero(&r->message.hash);
}

static int read_header(struct cur *c, struct journal_info *ret)
{
	uint8_t flags;

	if (cur_u8(c) != JOURNAL_TAG || cur_u8(c) != JOURNAL_VERSION)
		return -EBADMSG;
	flags = cur_u8(c);
	if (flags & ~JOURNAL_LAST)
		return -EBADMSG;
	ret->last = flags & JOURNAL_LAST;
	read_addr(c, &ret->prev);
	read_addr(c, &ret->clear);
	ret->first_seq = cur_u64(c);
	ret->count = cur_u32(c);
	if (c->bad || !ret->count || addr_is_zero(&ret->clear))
		return -EBADMSG;
	return 0;
}

/* fn is only called when the whole journal is good, so that nobody acts on the
 * first half of a bad one: two passes. */
static int walk(struct cur c, const struct journal_info *info,
		int (*fn)(void *ctx, const void *record, size_t len), void *ctx)
{
	struct journal_record r, prev = {.seq = info->first_seq};
	const void *p;
	uint32_t i, len;
	int rc;

	for (i = 0; i < info->count; i++) {
		len = cur_u32(&c);
		p = cur_bytes(&c, len);
		if (!p)
			return -EBADMSG;
		if (fn) {
			rc = fn(ctx, p, len);
			if (rc != 0)
				return rc;
			continue;
		}
		rc = journal_record(p, len, NULL, &r, NULL, NULL);
		if (rc < 0)
			return rc;
		if (i ? !may_follow(&r, &prev) : r.seq != info->first_seq)
			return -EBADMSG;
		prev = r;
	}
	return cur_left(&c) ? -EBADMSG : 0;
}

int journal_decode(const void *p, size_t n, struct journal_info *ret,
		   int (*fn)(void *ctx, const void *record, size_t len),
		   void *ctx)
{
	struct cur c = cur_of(p, n);
	struct journal_info info;
	int rc;

	if (n > JOURNAL_MAX)
		return -EBADMSG;
	rc = read_header(&c, &info);
	if (rc == 0)
		rc = walk(c, &info, NULL, NULL);
	if (rc < 0)
		return rc;
	*ret = info;
	return fn ? walk(c, &info, fn, ctx) : 0;
}

static int check_record(void *ctx, const void *record, size_t len)
{
	struct journal_record r;

	return journal_record(record, len, ctx, &r, NULL, NULL);
}

int journal_check(const void *journal, size_t n, const void *clear,
		  size_t clear_n)
{
	struct journal_info info;
	struct journal_values c;
	int rc;

	rc = journal_values(clear, clear_n, &c);
	if (rc == 0)
		rc = journal_decode(journal, n, &info, check_record, &c);
	if (rc == 0 && c.left)
		rc = -EBADMSG;
	return rc;
}

int journal_forget(const void *clear, size_t n, const uint32_t *at,
		   size_t count, struct buf *ret)
{
	struct journal_values c;
	const uint8_t *salt;
	size_t len;
	int rc = journal_values(clear, n, &c);

	buf_reset(ret);
	buf_add(ret, clear, JOURNAL_CLEAR);
	while (rc == 0 && c.left) {
		rc = clear_next(&c, &salt, &len);
		if (rc < 0)
			return rc;
		if (!salt || (count && salt + JOURNAL_SALT ==
					       (const uint8_t *)clear + *at)) {
			count -= salt != NULL;
			at += salt != NULL;
			buf_u32(ret, JOURNAL_FORGOTTEN);
			continue;
		}
		buf_u32(ret, (uint32_t)len);
		buf_add(ret, salt, JOURNAL_SALT + len);
	}
	if (rc == 0 && count)
		rc = -EINVAL;
	return rc < 0 ? rc : buf_err(ret);
}
