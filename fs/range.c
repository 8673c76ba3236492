/* Operations on ranges of a file: seeking for data and holes, allocating,
 * punching and zeroing, copying. None of them costs what the range is long.
 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>

#define PAGE KIB(4)

static int seek_bytes(struct draft *d, struct blob *b, uint64_t off, bool hole,
		      uint64_t *ret)
{
	return d ? draft_seek(d, off, hole, ret) : blob_seek(b, off, hole, ret);
}

/* The first page from there on without data, or the end. */
static int seek_hole(struct draft *d, struct blob *b, uint64_t size,
		     uint64_t page, uint64_t *ret)
{
	uint64_t at;
	int r;

	for (; page < size; page += PAGE) {
		r = seek_bytes(d, b, page, true, &at);
		if (r < 0)
			return r;
		page = (at + PAGE - 1) / PAGE * PAGE;
		if (page >= size)
			break;
		r = seek_bytes(d, b, page, false, &at);
		if (r < 0 && r != -ENXIO)
			return r;
		if (r == -ENXIO || at >= page + PAGE) {
			*ret = page;
			return 0;
		}
	}
	*ret = size;
	return 0;
}

int seek_pages(struct draft *d, struct blob *b, uint64_t off, bool hole,
	       uint64_t *ret)
{
	uint64_t size = d ? draft_size(d) : blob_size(b);
	uint64_t to;
	int r;

	if (off >= size)
		return -ENXIO;
	if (hole)
		r = seek_hole(d, b, size, off / PAGE * PAGE, &to);
	else
		r = seek_bytes(d, b, off / PAGE * PAGE, false, &to);
	if (r >= 0)
		*ret = MAX(hole ? to : to / PAGE * PAGE, off);
	return r;
}

/* A seek for data or holes, with the request to answer. */
struct seek {
	fuse_req_t req;
	fuse_ino_t id;
	struct handle *h;
	uint64_t off;
	bool hole;
};

static void seek_and_reply(const struct seek *k)
{
	struct fs *fs = fs_of(k->req);
	struct node *n = k->h->node;
	uint64_t to;
	int r = -EINVAL;

	if (n->kind == NODE_SOURCE)
		r = file_seek(fs, n, k->off, k->hole, &to);
	else if (n->blob)
		r = seek_pages(NULL, n->blob, k->off, k->hole, &to);
	if (r < 0)
		reply_err(k->req, r);
	else
		fuse_reply_lseek(k->req, (off_t)to);
}

static void *seek_written(void *arg)
{
	CLEANUP_FREE struct seek *k = arg;
	struct fs *fs = fs_of(k->req);

	fuse_lowlevel_notify_inval_inode(fs->se, k->id, 0, 0);
	seek_and_reply(k);
	helper_done(fs);
	return NULL;
}

/* What the kernel has not handed over yet comes in as WRITEs, which another
 * thread of the session has to take; were all of them here, none would. */
static int seek_aside(const struct seek *k)
{
	struct seek *copy = malloc(sizeof(*copy));
	struct fs *fs = fs_of(k->req);
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	if (!copy)
		return -ENOMEM;
	*copy = *k;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	helper_begin(fs);
	r = -pthread_create(&thread, &attr, seek_written, copy);
	pthread_attr_destroy(&attr);
	if (r < 0) {
		helper_done(fs);
		free(copy);
	}
	return r;
}

void op_lseek(fuse_req_t req, fuse_ino_t id, off_t off, int whence,
	      struct fuse_file_info *fi)
{
	struct seek k = {req, id, handle_of(fi), (uint64_t)off,
			 whence == SEEK_HOLE};
	struct node *n = k.h->node;
	bool written;
	int r;

	db_lock(fs_of(req)->db);
	written = n->kind == NODE_SOURCE && n->writers;
	db_unlock(fs_of(req)->db);
	if (off < 0 || (whence != SEEK_HOLE && whence != SEEK_DATA)) {
		fuse_reply_err(req, off < 0 ? ENXIO : EINVAL);
	} else if (written) {
		r = seek_aside(&k);
		if (r < 0)
			reply_err(req, r);
	} else {
		seek_and_reply(&k);
	}
}

/* Space is never reserved, as the content decides what is stored: but a range
 * that would not fit now is refused. */
void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t off, off_t len,
		  struct fuse_file_info *fi)
{
	const int zero = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE;
	struct handle *h = handle_of(fi);
	struct fs *fs = fs_of(req);
	uint64_t end = (uint64_t)off + (uint64_t)len;
	int r;

	(void)id;
	if ((mode & ~(FALLOC_FL_KEEP_SIZE | zero)) ||
	    h->node->kind != NODE_SOURCE) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	r = fs_room(fs, mode & zero ? 0 : (uint64_t)len);
	privileges_drop(req, h->node, false);
	if (r >= 0)
		r = file_allocate(fs, h->node, mode, (uint64_t)off, end);
	reply_err(req, r);
}

/* --- copying ---------------------------------------------------------------
 */

/* As much as an answer can say, in whole pages. */
#define COPY_MAX (GIB(2) - KIB(64))

/* How often a source may be written to while it is taken in. */
#define TRIES 10

/* The content that a handle reads. */
static int content_of(struct fs *fs, struct handle *h, struct blob **ret)
{
	struct addr a;
	int i, r = -EAGAIN;

	if (h->node->kind == NODE_SOURCE) {
		for (i = 0; r == -EAGAIN && i < TRIES; i++)
			r = file_share(fs, h->node, ret);
		return r == -EAGAIN ? -EOPNOTSUPP : r;
	}
	if (!h->node->blob)
		return -EOPNOTSUPP; /* the kernel copies by itself */
	blob_addr(h->node->blob, &a);
	return blob_open(fs->store, &a, ret);
}

/* Chunks are shared, so that the copy of a whole file has its address at
 * once. */
static int copy(struct fs *fs, struct handle *from, uint64_t off,
		struct handle *to, uint64_t at, uint64_t len, uint64_t *ret)
{
	CLEANUP(blob_closep) struct blob *b = NULL;
	int r;

	if (to->node->kind != NODE_SOURCE)
		return -EPERM;
	r = fs_room(fs, 0);
	if (r >= 0)
		r = content_of(fs, from, &b);
	if (r < 0)
		return r == -ENOENT ? -EIO : r;
	if (off >= blob_size(b)) {
		*ret = 0;
		return 0;
	}
	len = MIN(len, blob_size(b) - off);
	len = MIN(len, COPY_MAX);
	r = file_copy(fs, to->node, at, b, off, len);
	if (r < 0)
		return r;
	b = NULL; /* taken */
	*ret = len;
	return 0;
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags)
{
	uint64_t done = 0;
	int r;

	(void)in;
	(void)out;
	serve_long(fs_of(req)->crew);
	privileges_drop(req, handle_of(fi_out)->node, false);
	r = flags ? -EINVAL
		  : copy(fs_of(req), handle_of(fi_in), (uint64_t)off_in,
			 handle_of(fi_out), (uint64_t)off_out, len, &done);
	if (r < 0)
		reply_err(req, r);
	else
		fuse_reply_write(req, done);
}
