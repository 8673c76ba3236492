#include "cas/pack.h"

#include <errno.h>
#include <sys/stat.h>

#define WINDOW KIB(256)
#define BLOCK  KIB(4) /* what a disk loses at once, at least */

struct pack_scan {
	int fd;
	uint8_t id[PACK_ID_LEN];
	uint64_t size; /* of the file, when the scan began */
	uint64_t off;  /* where the next record should begin */
	struct pack_damage damage;
	uint64_t lost_end; /* unreadable up to here is counted */
	uint8_t *win;	   /* WINDOW bytes of the file from win_off on */
	uint64_t win_off;
	size_t win_len;
};

/* After a failure of the disk: one block, as zeros when it is that one. */
static ssize_t read_block(struct pack_scan *s, uint8_t *to, size_t room,
			  uint64_t off)
{
	size_t n = MIN(room, (size_t)(BLOCK - off % BLOCK));
	ssize_t got;

	if (off >= s->size)
		return 0;
	n = MIN(n, s->size - off);
	got = pread(s->fd, to, n, (off_t)off);
	if (got >= 0 || errno != EIO)
		return got;
	memset(to, 0, n);
	if (off + n > s->lost_end) {
		s->damage.unreadable += off + n - MAX(off, s->lost_end);
		s->lost_end = off + n;
	}
	return (ssize_t)n;
}

/* At least n bytes at off, unless the file ends; how many in *ret_n. */
static int window(struct pack_scan *s, uint64_t off, size_t n,
		  const uint8_t **ret, size_t *ret_n)
{
	bool careful = false;
	ssize_t got;

	if (off < s->win_off || off + n > s->win_off + s->win_len) {
		s->win_off = off;
		s->win_len = 0;
		while (s->win_len < WINDOW) {
			if (careful)
				got = read_block(s, s->win + s->win_len,
						 WINDOW - s->win_len,
						 off + s->win_len);
			else
				got = pread(s->fd, s->win + s->win_len,
					    WINDOW - s->win_len,
					    (off_t)(off + s->win_len));
			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0 && errno == EIO && !careful) {
				careful = true;
				continue;
			}
			if (got < 0)
				return -errno;
			if (!got)
				break;
			s->win_len += (size_t)got;
		}
	}
	*ret = s->win + (off - s->win_off);
	*ret_n = s->win_len - (size_t)(off - s->win_off);
	return 0;
}

int pack_scan_new(int fd, const uint8_t id[PACK_ID_LEN], struct pack_scan **ret)
{
	CLEANUP(pack_scan_freep) struct pack_scan *s = NULL;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->win = malloc(WINDOW);
	if (!s->win)
		return -ENOMEM;
	s->fd = fd;
	s->size = (uint64_t)st.st_size;
	memcpy(s->id, id, PACK_ID_LEN);
	rc = pack_header_look(id, fd);
	if (rc == -EPROTONOSUPPORT)
		return rc;
	s->damage.header = rc < 0;
	s->off = PACK_HEADER_LEN;
	*ret = steal(&s);
	return 0;
}

void pack_scan_seek(struct pack_scan *s, uint64_t off)
{
	s->off = off;
}

void pack_scan_free(struct pack_scan *s)
{
	if (!s)
		return;
	free(s->win);
	free(s);
}

/* 1 a record at off with all of its payload, 0 none, 2 one that is torn. */
static int record_at(struct pack_scan *s, uint64_t off, struct record *ret)
{
	struct record r;
	const uint8_t *p;
	size_t n;
	int rc;

	rc = window(s, off, RECORD_HEADER_LEN, &p, &n);
	if (rc)
		return rc;
	if (n < RECORD_HEADER_LEN || record_decode(s->id, p, &r))
		return 0;
	if (off + RECORD_HEADER_LEN + r.stored > s->size)
		return 2;
	*ret = r;
	return 1;
}

/* The next place at or behind off where a magic begins, or the file's end. */
static int next_magic(struct pack_scan *s, uint64_t off, uint64_t *ret)
{
	const uint8_t *p, *hit;
	size_t n;
	int rc;

	while (off + RECORD_HEADER_LEN <= s->size) {
		rc = window(s, off, RECORD_HEADER_LEN, &p, &n);
		if (rc)
			return rc;
		if (n < RECORD_HEADER_LEN)
			break; /* cut off meanwhile */
		hit = memmem(p, n, RECORD_MAGIC, RECORD_MAGIC_LEN);
		if (hit) {
			*ret = off + (uint64_t)(hit - p);
			return 0;
		}
		off += n - (RECORD_MAGIC_LEN - 1);
	}
	*ret = s->size;
	return 0;
}

int pack_scan_next(struct pack_scan *s, struct record *ret,
		   uint64_t *ret_offset)
{
	uint64_t off = s->off, torn = 0;
	int rc;

	while (off < s->size) {
		rc = record_at(s, off, ret);
		if (rc < 0)
			return rc;
		if (rc == 1) {
			s->damage.bytes += off - s->off;
			s->off = off + RECORD_HEADER_LEN + ret->stored;
			*ret_offset = off;
			return 1;
		}
		/* torn: a whole header whose payload never came, or less than
		 * a header; only if nothing follows */
		if (!torn && (rc == 2 || s->size - off < RECORD_HEADER_LEN))
			torn = off;
		rc = next_magic(s, off + 1, &off);
		if (rc)
			return rc;
	}
	if (torn) {
		s->damage.torn += s->size - torn;
		s->damage.bytes += torn - s->off;
	} else {
		s->damage.bytes += s->size - s->off;
	}
	s->off = s->size;
	return 0;
}

void pack_scan_damage(const struct pack_scan *s, struct pack_damage *ret)
{
	*ret = s->damage;
}
