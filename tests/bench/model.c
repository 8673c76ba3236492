/* tests/bench/model.c - a mount that keeps nothing: what the way through FUSE
 * costs by itself.
 *
 *	model DIR	until it is unmounted
 *
 * One directory of regular files; written bytes are counted and forgotten.
 * Everything about the kernel is as the product has it (writeback cache, 1 MiB
 * requests, endless timeouts, many threads), so that the difference is what
 * the product does with the bytes.
 */
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILES	64
#define FOREVER 1e6

static struct {
	char name[256];
	off_t size;
} files[FILES]; /* node id is FUSE_ROOT_ID + 1 + index */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void attr_of(fuse_ino_t id, struct stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->st_ino = id;
	ret->st_mode = id == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644;
	ret->st_nlink = id == FUSE_ROOT_ID ? 2 : 1;
	ret->st_blksize = 1 << 20;
	clock_gettime(CLOCK_REALTIME, &ret->st_mtim);
	if (id != FUSE_ROOT_ID)
		ret->st_size = files[id - FUSE_ROOT_ID - 1].size;
}

/* Under the lock: the index of a name, or of a free place for it. */
static int place_of(const char *name)
{
	int i, vacant = -1;

	for (i = 0; i < FILES; i++) {
		if (!strcmp(files[i].name, name))
			return i;
		if (!files[i].name[0] && vacant < 0)
			vacant = i;
	}
	return vacant;
}

static int entry_of(const char *name, int make, struct fuse_entry_param *e)
{
	int i, r = 0;

	if (strlen(name) >= sizeof(files[0].name))
		return ENAMETOOLONG;
	memset(e, 0, sizeof(*e));
	e->attr_timeout = e->entry_timeout = FOREVER;
	pthread_mutex_lock(&lock);
	i = place_of(name);
	if (i < 0) {
		r = make ? ENOSPC : ENOENT;
	} else if (!files[i].name[0]) {
		r = make ? 0 : ENOENT;
		if (make) {
			snprintf(files[i].name, sizeof(files[i].name), "%s",
				 name);
			files[i].size = 0;
		}
	}
	if (!r) {
		e->ino = FUSE_ROOT_ID + 1 + (fuse_ino_t)i;
		attr_of(e->ino, &e->attr);
	}
	pthread_mutex_unlock(&lock);
	return r;
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	(void)data;
	conn->want |= conn->capable &
		      (FUSE_CAP_ASYNC_READ | FUSE_CAP_WRITEBACK_CACHE |
		       FUSE_CAP_PARALLEL_DIROPS);
	conn->want &=
		~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ |
			    FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE);
	conn->max_write = 1 << 20;
	conn->max_readahead = 1 << 20;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->time_gran = 1;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e;
	int r = parent == FUSE_ROOT_ID ? entry_of(name, 0, &e) : ENOTDIR;

	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_entry(req, &e);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	struct fuse_entry_param e;
	int r = parent == FUSE_ROOT_ID ? entry_of(name, 1, &e) : ENOTDIR;

	(void)mode;
	if (r)
		fuse_reply_err(req, r);
	else
		fuse_reply_create(req, &e, fi);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	int i;

	(void)parent;
	pthread_mutex_lock(&lock);
	i = place_of(name);
	if (i >= 0)
		files[i].name[0] = '\0';
	pthread_mutex_unlock(&lock);
	fuse_reply_err(req, i < 0 ? ENOENT : 0);
}

static void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	attr_of(id, &st);
	fuse_reply_attr(req, &st, FOREVER);
}

static void op_setattr(fuse_req_t req, fuse_ino_t id, struct stat *st,
		       int valid, struct fuse_file_info *fi)
{
	if (id != FUSE_ROOT_ID && (valid & FUSE_SET_ATTR_SIZE))
		files[id - FUSE_ROOT_ID - 1].size = st->st_size;
	op_getattr(req, id, fi);
}

static void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	fuse_reply_open(req, fi);
}

static void op_write(fuse_req_t req, fuse_ino_t id, const char *p, size_t size,
		     off_t off, struct fuse_file_info *fi)
{
	off_t end = off + (off_t)size;

	(void)p;
	(void)fi;
	pthread_mutex_lock(&lock);
	if (files[id - FUSE_ROOT_ID - 1].size < end)
		files[id - FUSE_ROOT_ID - 1].size = end;
	pthread_mutex_unlock(&lock);
	fuse_reply_write(req, size);
}

static void op_done(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	(void)id;
	(void)fi;
	fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t id, int datasync,
		     struct fuse_file_info *fi)
{
	(void)datasync;
	op_done(req, id, fi);
}

static const struct fuse_lowlevel_ops ops = {
	.init = op_init,
	.lookup = op_lookup,
	.create = op_create,
	.unlink = op_unlink,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.open = op_open,
	.write = op_write,
	.flush = op_done,
	.release = op_done,
	.fsync = op_fsync,
};

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	struct fuse_session *se;
	int r;

	if (argc != 2 || fuse_opt_add_arg(&args, "model") < 0 ||
	    fuse_opt_add_arg(&args, "-ofsname=model") < 0) {
		fprintf(stderr, "usage: model DIR\n");
		return 2;
	}
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!se || fuse_session_mount(se, argv[1]))
		return 1;
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, 16);
	fuse_loop_cfg_set_idle_threads(config, 16);
	r = fuse_session_loop_mt(se, config);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	fuse_loop_cfg_destroy(config);
	return r ? 1 : 0;
}
