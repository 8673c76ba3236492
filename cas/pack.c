#include "cas/pack.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/uio.h>

#include "cas/chunker.h"
#include "cas/codec.h"
#include "core/err.h"

#define PACK_VERSION 1

static const uint8_t pack_magic[8] = {'D', 'E', 'R', 'I', 'V', 'P', 'K', '1'};

/* --- encoding ------------------------------------------------------------ */

bool record_length_valid(enum obj_kind kind, uint64_t raw)
{
	return raw <= (kind == OBJ_CHUNK ? CHUNK_MAX : OBJ_MAX);
}

static uint32_t record_check(const uint8_t id[PACK_ID_LEN], const uint8_t *p)
{
	uint8_t in[PACK_ID_LEN + 48];
	struct addr a;

	memcpy(in, id, PACK_ID_LEN);
	memcpy(in + PACK_ID_LEN, p, 48);
	addr_of(OBJ_CHUNK, in, sizeof(in), &a);
	return get_le32(a.b);
}

void record_encode(const uint8_t id[PACK_ID_LEN], const struct record *r,
		   uint8_t ret[RECORD_HEADER_LEN])
{
	memcpy(ret, RECORD_MAGIC, RECORD_MAGIC_LEN);
	ret[4] = (uint8_t)r->kind;
	ret[5] = r->codec;
	ret[6] = ret[7] = 0;
	put_le32(ret + 8, r->stored);
	put_le32(ret + 12, r->raw);
	memcpy(ret + 16, r->addr.b, ADDR_LEN);
	put_le32(ret + 48, record_check(id, ret));
}

int record_decode(const uint8_t id[PACK_ID_LEN],
		  const uint8_t p[RECORD_HEADER_LEN], struct record *ret)
{
	struct record r;

	if (memcmp(p, RECORD_MAGIC, RECORD_MAGIC_LEN) || p[6] || p[7] ||
	    !obj_kind_valid(p[4]) || p[5] > CODEC_ZSTD)
		return -EBADMSG;
	r.kind = (enum obj_kind)p[4];
	r.codec = p[5];
	r.stored = get_le32(p + 8);
	r.raw = get_le32(p + 12);
	if (!record_length_valid(r.kind, r.raw) ||
	    (r.codec == CODEC_RAW ? r.stored != r.raw : r.stored >= r.raw) ||
	    get_le32(p + 48) != record_check(id, p))
		return -EBADMSG;
	memcpy(r.addr.b, p + 16, ADDR_LEN);
	*ret = r;
	return 0;
}

void pack_name(const uint8_t id[PACK_ID_LEN], char ret[PACK_NAME_LEN])
{
	size_t i;

	for (i = 0; i < PACK_ID_LEN; i++)
		snprintf(ret + 2 * i, 3, "%02x", id[i]);
	memcpy(ret + 2 * PACK_ID_LEN, ".pack", sizeof(".pack"));
}

bool pack_parse_name(const char *name, uint8_t ret[PACK_ID_LEN])
{
	char hex[ADDR_HEX], again[PACK_NAME_LEN];
	struct addr a;

	if (strlen(name) != PACK_NAME_LEN - 1)
		return false;
	memcpy(hex, name, 2 * (size_t)PACK_ID_LEN);
	memset(hex + 2 * PACK_ID_LEN, '0', ADDR_HEX - 1 - 2 * PACK_ID_LEN);
	hex[ADDR_HEX - 1] = '\0';
	if (!addr_parse(hex, &a))
		return false;
	pack_name(a.b, again);
	if (strcmp(name, again)) /* another suffix, upper case */
		return false;
	memcpy(ret, a.b, PACK_ID_LEN);
	return true;
}

void pack_header(const uint8_t id[PACK_ID_LEN], uint8_t ret[PACK_HEADER_LEN])
{
	memcpy(ret, pack_magic, sizeof(pack_magic));
	put_le32(ret + 8, PACK_VERSION);
	put_le32(ret + 12, 0);
	memcpy(ret + 16, id, PACK_ID_LEN);
}

int pack_header_check(const uint8_t id[PACK_ID_LEN],
		      const uint8_t p[PACK_HEADER_LEN])
{
	if (memcmp(p, pack_magic, sizeof(pack_magic)))
		return -EBADMSG;
	if (get_le32(p + 8) > PACK_VERSION)
		return -EPROTONOSUPPORT;
	if (get_le32(p + 8) != PACK_VERSION || get_le32(p + 12) ||
	    memcmp(p + 16, id, PACK_ID_LEN))
		return -EBADMSG;
	return 0;
}

int pack_header_look(const uint8_t id[PACK_ID_LEN], int fd)
{
	uint8_t p[PACK_HEADER_LEN + RECORD_HEADER_LEN];
	struct record r;
	ssize_t n;
	int rc;

	do
		n = pread(fd, p, sizeof(p), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n < PACK_HEADER_LEN)
		return -EBADMSG;
	rc = pack_header_check(id, p);
	if (rc == -EPROTONOSUPPORT && get_le32(p + 8) != PACK_VERSION + 1 &&
	    n == sizeof(p) && !record_decode(id, p + PACK_HEADER_LEN, &r))
		return -EBADMSG;
	return rc;
}

/* --- appending ----------------------------------------------------------- */

static int write_at(int fd, struct iovec *iov, int count, uint64_t off)
{
	ssize_t n;

	while (count) {
		n = pwritev(fd, iov, count, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		off += (uint64_t)n;
		while (count && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* Under a temporary name first: who sees a pack that is not locked may take
 * its writer for dead. */
static int create_locked(struct pack_writer *w, int packs_fd, const char *name,
			 const char *tmp)
{
	uint8_t header[PACK_HEADER_LEN];
	struct iovec iov = {header, sizeof(header)};
	int rc;

	w->fd = openat(packs_fd, tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		       0600);
	if (w->fd < 0)
		return -errno;
	pack_header(w->id, header);
	rc = flock(w->fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (!rc)
		rc = write_at(w->fd, &iov, 1, 0);
	if (!rc && renameat(packs_fd, tmp, packs_fd, name) < 0)
		rc = -errno;
	if (rc)
		unlinkat(packs_fd, tmp, 0);
	return rc;
}

static int create(int packs_fd, struct pack_writer **ret)
{
	CLEANUP(pack_writer_freep) struct pack_writer *w = NULL;
	char name[PACK_NAME_LEN], tmp[PACK_NAME_LEN];
	int rc;

	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->fd = -1;
	if (getrandom(w->id, sizeof(w->id), 0) != (ssize_t)sizeof(w->id))
		return -EIO;
	pack_name(w->id, name);
	memcpy(tmp, name, sizeof(tmp));
	memcpy(tmp + 2 * PACK_ID_LEN, ".tmp", sizeof(".tmp"));
	rc = create_locked(w, packs_fd, name, tmp);
	if (rc)
		return rc;
	w->end = PACK_HEADER_LEN;
	*ret = steal(&w);
	return 0;
}

int pack_create(int packs_fd, struct pack_writer **ret)
{
	int tries, rc = 0;

	/* a process that opens the store just now may take the temporary file
	 * for one left behind, in the moment before it is locked */
	for (tries = 0; tries < 10; tries++) {
		rc = create(packs_fd, ret);
		if (rc != -EWOULDBLOCK && rc != -ENOENT)
			break;
	}
	return rc;
}

void pack_writer_free(struct pack_writer *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

int pack_append(struct pack_writer *w, const struct record *r,
		const void *const *payloads, size_t n, uint64_t *ret_offset)
{
	uint8_t headers[PACK_RUN][RECORD_HEADER_LEN];
	struct iovec iov[2 * PACK_RUN];
	uint64_t end = w->end;
	size_t i;
	int rc;

	assert(n <= PACK_RUN);
	for (i = 0; i < n; i++) {
		record_encode(w->id, &r[i], headers[i]);
		iov[2 * i] = (struct iovec){headers[i], RECORD_HEADER_LEN};
		iov[2 * i + 1] = (struct iovec){(void *)(uintptr_t)payloads[i],
						r[i].stored};
		end += RECORD_HEADER_LEN + (uint64_t)r[i].stored;
	}
	rc = write_at(w->fd, iov, (int)(2 * n), w->end);
	if (rc) {
		/* what got there is no harm: the next record goes over it, and
		 * a torn one at the end is stepped over */
		if (ftruncate(w->fd, (off_t)w->end) < 0)
			log_debug("pack: cannot cut off a torn record: %s",
				  err_name(errno));
		return rc;
	}
	*ret_offset = w->end;
	w->end = end;
	return 0;
}
