#include "cas/pack_read.h"

#include <errno.h>
#include <sys/uio.h>

/* All of it, however the system cuts it; -EBADMSG where the file ends before.
 */
static int read_at(int fd, struct iovec *iov, int count, uint64_t off)
{
	ssize_t n;

	if (off > INT64_MAX - 2 * OBJ_MAX)
		return -EBADMSG;
	while (count) {
		n = preadv(fd, iov, count, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		off += (uint64_t)n;
		for (; count && (size_t)n >= iov->iov_len; iov++, count--)
			n -= (ssize_t)iov->iov_len;
		if (count) {
			iov->iov_base = (char *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

int pack_read_stored(const struct pack_file *f, const struct addr *a,
		     const struct object_loc *loc, void *payload)
{
	uint8_t header[RECORD_HEADER_LEN];
	struct iovec iov[2] = {
		{header, sizeof(header)},
		{payload, loc->stored},
	};
	struct record r;
	int rc = read_at(f->fd, iov, 2, loc->offset);

	if (rc)
		return rc;
	if (record_decode(f->id, header, &r))
		return -EBADMSG;
	if (r.kind != loc->kind || r.codec != loc->codec ||
	    r.stored != loc->stored || r.raw != loc->raw ||
	    !addr_eq(&r.addr, a))
		return -EBADMSG;
	return 0;
}

static int read_payload(struct codec_pool *codecs, const struct pack_file *f,
			const struct addr *a, const struct object_loc *loc,
			void *to)
{
	struct codec *codec;
	void *scratch;
	int rc;

	if (loc->codec == CODEC_RAW)
		return loc->stored == loc->raw ? pack_read_stored(f, a, loc, to)
					       : -EBADMSG;
	codec = codec_take(codecs);
	scratch = codec ? codec_scratch(codec, loc->stored) : NULL;
	rc = scratch ? pack_read_stored(f, a, loc, scratch) : -ENOMEM;
	if (!rc)
		rc = codec_decode(codec, scratch, loc->stored, to, loc->raw);
	codec_give(codecs, codec);
	return rc;
}

int pack_read(struct pack_cache *files, struct codec_pool *codecs,
	      const struct addr *a, const struct object_loc *loc,
	      struct buf *ret)
{
	const struct pack_file *f;
	struct addr is;
	void *to;
	int rc;

	buf_reset(ret);
	if (!obj_kind_valid((int)loc->kind) || loc->stored > loc->raw ||
	    !record_length_valid(loc->kind, loc->raw))
		return -EBADMSG;
	to = buf_room(ret, loc->raw);
	if (!to)
		return -ENOMEM;
	rc = pack_cache_get(files, loc->pack, &f);
	if (rc)
		return rc == -ENOENT ? -EBADMSG : rc;
	rc = read_payload(codecs, f, a, loc, to);
	pack_cache_put(files, f);
	if (rc)
		return rc;
	addr_of(loc->kind, to, loc->raw, &is);
	if (!addr_eq(&is, a))
		return -EBADMSG;
	ret->len = loc->raw;
	ret->data[ret->len] = '\0';
	return 0;
}
