#include "cas/head.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/sign.h"

#define TITLE	 "deriva head v1"
#define KEY_FILE "key"
#define KEY_HEAD "deriva key v1 "
#define KEY_LEN	 (sizeof(KEY_HEAD) - 1 + 2 * SIGN_SEED_LEN + 1)

/* --- text ----------------------------------------------------------------- */

void hex_add(struct buf *b, const void *p, size_t n)
{
	const uint8_t *byte = p;

	for (; n--; byte++)
		buf_fmt(b, "%02x", *byte);
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_parse(const char *s, void *ret, size_t n)
{
	uint8_t *to = ret;
	size_t i;

	if (strlen(s) != 2 * n)
		return -EBADMSG;
	for (i = 0; i < n; i++) {
		if (digit(s[2 * i]) < 0 || digit(s[2 * i + 1]) < 0)
			return -EBADMSG;
		to[i] = (uint8_t)(digit(s[2 * i]) << 4 | digit(s[2 * i + 1]));
	}
	return 0;
}

int number_parse(const char *s, uint64_t *ret)
{
	char again[24], *end;
	uint64_t v;

	errno = 0;
	v = strtoull(s, &end, 10);
	snprintf(again, sizeof(again), "%" PRIu64, v);
	if (errno || *end || strcmp(again, s))
		return -EBADMSG; /* there is one way to write it */
	*ret = v;
	return 0;
}

bool lines_is(const struct lines *l, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(l->p, name, n) && l->p[n] == ':';
}

int lines_take(struct lines *l, const char *name, char *ret, size_t size)
{
	const char *value = l->p + strlen(name) + 2;
	size_t n;

	if (!lines_is(l, name) || value[-1] != ' ')
		return -EBADMSG;
	n = strcspn(value, "\n");
	if (value[n] != '\n' || n >= size)
		return -EBADMSG;
	memcpy(ret, value, n);
	ret[n] = '\0';
	l->p = value + n + 1;
	return 0;
}

bool lines_skip(struct lines *l, const char *line)
{
	size_t n = strlen(line);

	if (strncmp(l->p, line, n) != 0 || l->p[n] != '\n')
		return false;
	l->p += n + 1;
	return true;
}

void head_text(const struct tile_head *h, bool with_signature, struct buf *ret)
{
	buf_str(ret, TITLE "\n");
	buf_fmt(ret, "size: %" PRIu64 "\nroot: ", h->size);
	hex_add(ret, h->root.b, ADDR_LEN);
	buf_fmt(ret, "\nchange: %" PRIu64 "\ntime: %" PRIu64 "\nkey: ", h->seq,
		(uint64_t)h->time_ns);
	hex_add(ret, h->key, sizeof(h->key));
	buf_str(ret, "\n");
	if (!with_signature)
		return;
	buf_str(ret, "signature: ");
	hex_add(ret, h->signature, sizeof(h->signature));
	buf_str(ret, "\n");
}

static int take_number(struct lines *l, const char *name, uint64_t *ret)
{
	char v[24];
	int rc = lines_take(l, name, v, sizeof(v));

	return rc < 0 ? rc : number_parse(v, ret);
}

static int take_hex(struct lines *l, const char *name, void *ret, size_t n)
{
	char v[2 * SIGN_LEN + 1];
	int rc = lines_take(l, name, v, sizeof(v));

	return rc < 0 ? rc : hex_parse(v, ret, n);
}

int head_parse(struct lines *l, struct tile_head *ret)
{
	struct tile_head h;
	uint64_t time = 0;
	int rc = lines_skip(l, TITLE) ? 0 : -EBADMSG;

	if (rc >= 0)
		rc = take_number(l, "size", &h.size);
	if (rc >= 0)
		rc = take_hex(l, "root", h.root.b, ADDR_LEN);
	if (rc >= 0)
		rc = take_number(l, "change", &h.seq);
	if (rc >= 0)
		rc = take_number(l, "time", &time);
	if (rc >= 0)
		rc = take_hex(l, "key", h.key, sizeof(h.key));
	if (rc >= 0)
		rc = take_hex(l, "signature", h.signature, sizeof(h.signature));
	if (rc >= 0 && (!h.size || time > INT64_MAX))
		rc = -EBADMSG;
	h.time_ns = (int64_t)time;
	if (rc >= 0)
		*ret = h;
	return rc;
}

bool head_is_signed(const struct tile_head *h)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	head_text(h, false, &b);
	return !buf_err(&b) &&
	       sign_is_good(h->key, b.data, b.len, h->signature);
}

/* --- the key -------------------------------------------------------------- */

static int write_key(int dir, const uint8_t seed[SIGN_SEED_LEN])
{
	CLEANUP_CLOSE int fd = -1;
	CLEANUP_BUF struct buf b = BUF_INIT;
	char name[32];
	int rc;

	snprintf(name, sizeof(name), KEY_FILE ".%d.tmp", (int)getpid());
	(void)unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	buf_str(&b, KEY_HEAD);
	hex_add(&b, seed, SIGN_SEED_LEN);
	buf_str(&b, "\n");
	rc = buf_err(&b);
	if (rc >= 0 && write(fd, b.data, b.len) != (ssize_t)b.len)
		rc = errno ? -errno : -ENOSPC;
	if (rc >= 0 && fsync(fd) < 0)
		rc = -errno;
	/* another process may have made one at the same time */
	if (rc >= 0 && linkat(dir, name, dir, KEY_FILE, 0) < 0 &&
	    errno != EEXIST)
		rc = -errno;
	(void)unlinkat(dir, name, 0);
	if (rc >= 0 && fsync(dir) < 0)
		rc = -errno;
	if (b.data)
		sign_forget(b.data, b.len);
	return rc;
}

static int read_key(int dir, uint8_t ret[SIGN_SEED_LEN])
{
	CLEANUP_CLOSE int fd =
		openat(dir, KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[KEY_LEN + 1];
	ssize_t n;
	int rc;

	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		return -errno;
	if (n != (ssize_t)KEY_LEN || text[n - 1] != '\n' ||
	    strncmp(text, KEY_HEAD, sizeof(KEY_HEAD) - 1) != 0)
		return -EBADMSG;
	text[n - 1] = '\0';
	rc = hex_parse(text + sizeof(KEY_HEAD) - 1, ret, SIGN_SEED_LEN);
	sign_forget(text, sizeof(text));
	return rc;
}

static int load_key(struct store *s, struct sign_key *ret, struct err *err)
{
	uint8_t seed[SIGN_SEED_LEN] = {0};
	int dir = store_dir_fd(s);
	int rc = read_key(dir, seed);

	if (rc == -ENOENT) {
		rc = sign_seed(seed);
		if (rc >= 0)
			rc = write_key(dir, seed);
		if (rc >= 0)
			rc = read_key(dir, seed);
	}
	if (rc >= 0)
		rc = sign_key(seed, ret);
	sign_forget(seed, sizeof(seed));
	if (rc < 0)
		return err_set(err, rc, "%s/" KEY_FILE ": %s%s", store_path(s),
			       rc == -EBADMSG ? "is no key of a store"
					      : err_name(rc),
			       rc == -EACCES ? ": only who made the store can "
					       "sign for it"
					     : "");
	return 0;
}

/* --- making --------------------------------------------------------------- */

static int damaged(struct store *s, int rc, struct err *err)
{
	bool damage = rc == -EBADMSG || rc == -EUCLEAN || rc == -ENOENT;

	return err_set(err, rc == -ENOENT ? -EUCLEAN : rc,
		       "%s: the log cannot be read: %s%s", store_path(s),
		       damage ? "its records are damaged" : err_name(rc),
		       damage ? ": run deriva fsck" : "");
}

/* What was committed before the sync is durable after it. */
static int durable_tip(struct store *s, struct peek *p, struct tip *ret)
{
	int rc;

	db_lock(peek_db(p));
	rc = tips_newest(peek_tips(p), ret);
	db_unlock(peek_db(p));
	if (rc >= 0)
		rc = store_sync(s);
	if (rc >= 0 && !ret->seq)
		rc = -ENOENT;
	return rc;
}

static int sign_head(struct store *s, const struct tip *tip, struct mlog *log,
		     struct tile_head *ret, struct err *err)
{
	CLEANUP_BUF struct buf b = BUF_INIT;
	struct sign_key key;
	int rc = load_key(s, &key, err);

	if (rc < 0)
		return rc;
	ret->size = mlog_size(log);
	ret->seq = tip->seq;
	ret->time_ns = clock_now_ns();
	memcpy(ret->key, key.public, sizeof(ret->key));
	head_text(ret, false, &b);
	rc = buf_err(&b);
	if (rc >= 0)
		rc = sign(&key, b.data, b.len, ret->signature);
	sign_forget(&key, sizeof(key));
	return rc < 0 ? err_set(err, rc, "%s", err_name(rc)) : 0;
}

/* One head of each size is enough: it stays the same as long as the log does,
 * and the key. */
static int remember(struct store *s, const struct tip *tip, struct mlog *log,
		    struct tiles *tiles, struct tile_head *ret, struct err *err)
{
	struct tile_head old, head;
	int rc, had;

	rc = merkle_root(mlog_tree(log), mlog_size(log), &head.root);
	if (rc < 0)
		return damaged(s, rc, err);
	rc = sign_head(s, tip, log, &head, err);
	if (rc < 0)
		return rc;
	rc = had = tiles_head(tiles, head.size, &old);
	if (had > 0 && !addr_eq(&old.root, &head.root))
		return err_set(err, -EUCLEAN,
			       "%s: the log is not the one that was signed "
			       "before: run deriva fsck",
			       store_path(s));
	if (had > 0 && !memcmp(old.key, head.key, sizeof(old.key)) &&
	    head_is_signed(&old)) {
		*ret = old;
		return 0;
	}
	if (rc >= 0)
		rc = tiles_put_head(tiles, &head);
	if (rc >= 0)
		rc = db_commit(store_db(s));
	if (rc < 0)
		return damaged(s, rc, err);
	*ret = head;
	return 0;
}

int head_make(struct store *s, struct peek *p, struct tile_head *ret,
	      struct mlog **ret_log, struct err *err)
{
	CLEANUP(mlog_closep) struct mlog *log = NULL;
	struct tiles *tiles = NULL;
	struct tip tip = {0};
	int rc = durable_tip(s, p, &tip);

	if (rc < 0)
		return err_set(err, rc, "%s: %s", store_path(s),
			       rc == -ENOENT ? "there is no change yet"
					     : err_name(rc));
	rc = mlog_open(p, store_db(s), &tip, &log);
	if (rc < 0)
		return damaged(s, rc, err);
	db_lock(store_db(s));
	rc = tiles_open(store_db(s), &tiles);
	if (rc >= 0)
		rc = remember(s, &tip, log, tiles, ret, err);
	tiles_close(tiles);
	db_unlock(store_db(s));
	if (rc < 0)
		return rc;
	*ret_log = steal(&log);
	return 0;
}
