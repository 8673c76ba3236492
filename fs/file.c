/* The content of sources: blobs, drafts, and versions when they are closed.
 *
 * A file's lock orders its readers, writers and commits; rows are written
 * under db_lock() inside it. A commit hashes and packs with the file's lock
 * alone, so that nobody else waits.
 */
#include "fs/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cas/attach.h"
#include "core/clock.h"

static struct file *file_new(void)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f)
		pthread_rwlock_init(&f->lock, NULL);
	return f;
}

static void file_free(struct file *f)
{
	draft_free(f->draft);
	blob_close(f->blob);
	pthread_rwlock_destroy(&f->lock);
	free(f);
}

/* db_lock held. */
int file_open(struct fs *fs, struct node *n, bool write, const struct ns_by *by)
{
	if (!n->file) {
		n->file = file_new();
		if (!n->file)
			return -ENOMEM;
	}
	n->opens++;
	if (write) {
		n->file->uid = by->uid;
		n->file->pid = by->pid;
		snprintf(n->file->program, sizeof(n->file->program), "%s",
			 by->program ? by->program : "");
	}
	/* it counts as changing from now on: what is written may lie in the
	 * kernel's cache without anybody telling */
	if (write && n->writers++ == 0) {
		saver_add(fs, n);
		eval_inode_changed(fs->eval, n->ino);
	}
	return 0;
}

/* db_lock held, the file's not. The last one takes the file along. */
void file_release(struct fs *fs, struct node *n, bool write)
{
	if (write && --n->writers == 0) {
		saver_drop(n);
		eval_inode_changed(fs->eval, n->ino);
	}
	if (--n->opens)
		return;
	file_free(n->file);
	n->file = NULL;
	node_drop(fs, n);
}

/* The content that the rows name; the file's lock held for writing. */
static int load_blob(struct fs *fs, struct node *n)
{
	struct file *f = n->file;
	struct ns_attr a;
	int r;

	if (f->blob)
		return 0;
	db_lock(fs->db);
	if (n->version) {
		a.addr = n->addr; /* the one that goes with the size */
		r = 0;
	} else {
		r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	}
	db_unlock(fs->db);
	if (r < 0)
		return r;
	r = blob_open(fs->store, &a.addr, &f->blob);
	if (r == -ENOENT || r == -EBADMSG)
		r = -EIO; /* a row without its bytes, or with others */
	if (r >= 0)
		f->blob_addr = a.addr;
	return r;
}

void file_hold(struct fs *fs, struct node *n)
{
	struct file *f = n->file;
	int r;

	pthread_rwlock_wrlock(&f->lock);
	r = f->draft ? 0 : load_blob(fs, n);
	pthread_rwlock_unlock(&f->lock);
	if (r < 0)
		log_warn("inode %llu: what it held before another process "
			 "wrote it cannot be found: %s",
			 (unsigned long long)n->ino, err_name(r));
}

/* Its lock for reading, with a draft or a blob to read. */
static int lock_to_read(struct fs *fs, struct node *n)
{
	struct file *f = n->file;
	int r;

	pthread_rwlock_rdlock(&f->lock);
	if (f->draft || f->blob)
		return 0;
	pthread_rwlock_unlock(&f->lock);
	pthread_rwlock_wrlock(&f->lock);
	r = f->draft ? 0 : load_blob(fs, n);
	pthread_rwlock_unlock(&f->lock);
	if (r >= 0)
		pthread_rwlock_rdlock(&f->lock);
	return r;
}

ssize_t file_read(struct fs *fs, struct node *n, void *p, size_t size,
		  uint64_t off)
{
	struct file *f = n->file;
	ssize_t r = lock_to_read(fs, n);

	if (r < 0)
		return r;
	if (f->draft)
		r = draft_read(f->draft, p, size, off);
	else
		r = blob_pread(f->blob, p, size, off);
	pthread_rwlock_unlock(&f->lock);
	return r;
}

int file_spans(struct fs *fs, struct node *n, size_t size, uint64_t off,
	       struct blob_spans *ret)
{
	struct file *f = n->file;
	int r = lock_to_read(fs, n);

	if (r < 0)
		return r;
	r = f->draft ? -E2BIG : blob_spans(f->blob, size, off, ret);
	pthread_rwlock_unlock(&f->lock);
	return r;
}

static void publish(struct file *f)
{
	if (f->draft) {
		__atomic_store_n(&f->data, draft_data(f->draft),
				 __ATOMIC_RELEASE);
		__atomic_store_n(&f->size, draft_size(f->draft),
				 __ATOMIC_RELEASE);
	}
	__atomic_store_n(&f->drafted, f->draft != NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&f->unkept, f->draft && draft_dirty(f->draft),
			 __ATOMIC_RELEASE);
}

static int finish_sealed(struct fs *fs, struct node *n);

/* The draft takes over what was read so far. */
static int begin_draft(struct fs *fs, struct node *n)
{
	struct file *f = n->file;
	int r;

	r = f->seal ? finish_sealed(fs, n) : 0;
	if (r < 0 || f->draft)
		return r;
	r = load_blob(fs, n);
	if (r < 0)
		return r;
	r = draft_new(fs->store, f->blob, &f->draft);
	if (r >= 0)
		f->blob = NULL;
	return r;
}

/* What it had need not be read for that. */
static int begin_empty(struct fs *fs, struct node *n)
{
	struct file *f = n->file;
	int r = begin_draft(fs, n);

	return r == -EIO && !f->draft ? draft_empty(fs->store, &f->draft) : r;
}

/* ctime 0: when its version is written. */
static void set_times(struct file *f, int64_t mtime_ns, int64_t ctime_ns)
{
	__atomic_store_n(&f->mtime_ns, mtime_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&f->ctime_ns, ctime_ns, __ATOMIC_RELEASE);
}

int file_write(struct fs *fs, struct node *n, const void *p, size_t size,
	       uint64_t off, bool cached)
{
	struct file *f = n->file;
	int r = fs_room_take(fs, size);

	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&f->lock);
	r = begin_draft(fs, n);
	if (r >= 0)
		r = draft_write(f->draft, p, size, off);
	if (r >= 0 && !cached)
		set_times(f, clock_tick_ns(), 0);
	publish(f);
	pthread_rwlock_unlock(&f->lock);
	fs_room_give(fs, size);
	return r;
}

int file_truncate(struct fs *fs, struct node *n, uint64_t size)
{
	struct file *f = n->file;
	int r;

	pthread_rwlock_wrlock(&f->lock);
	r = size ? begin_draft(fs, n) : begin_empty(fs, n);
	if (r >= 0)
		r = draft_truncate(f->draft, size);
	if (r >= 0 && draft_dirty(f->draft))
		set_times(f, clock_tick_ns(), 0);
	publish(f);
	pthread_rwlock_unlock(&f->lock);
	return r;
}

int file_allocate(struct fs *fs, struct node *n, int mode, uint64_t off,
		  uint64_t end)
{
	struct file *f = n->file;
	int r;

	pthread_rwlock_wrlock(&f->lock);
	r = begin_draft(fs, n);
	if (r >= 0 && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		r = draft_zero(f->draft, off, end);
	if (r >= 0 && !(mode & FALLOC_FL_KEEP_SIZE) &&
	    end > draft_size(f->draft))
		r = draft_truncate(f->draft, end);
	if (r >= 0 && draft_dirty(f->draft))
		set_times(f, clock_tick_ns(), 0);
	publish(f);
	pthread_rwlock_unlock(&f->lock);
	return r;
}

int file_share(struct fs *fs, struct node *n, struct blob **ret)
{
	struct file *f = n->file;
	struct addr a;
	int r = file_commit(fs, n, true);

	if (r < 0)
		return r;
	pthread_rwlock_wrlock(&f->lock);
	if (f->draft && draft_dirty(f->draft)) {
		r = -EAGAIN; /* written to again just now */
	} else if (f->draft) {
		r = draft_commit(f->draft, &a, NULL);
	} else {
		r = load_blob(fs, n);
		a = f->blob_addr;
	}
	pthread_rwlock_unlock(&f->lock);
	return r < 0 ? r : blob_open(fs->store, &a, ret);
}

int file_copy(struct fs *fs, struct node *n, uint64_t at, struct blob *from,
	      uint64_t off, uint64_t size)
{
	struct file *f = n->file;
	int r;

	pthread_rwlock_wrlock(&f->lock);
	r = begin_draft(fs, n);
	if (r >= 0)
		r = draft_copy(f->draft, at, from, off, size);
	if (r >= 0)
		set_times(f, clock_tick_ns(), 0);
	publish(f);
	pthread_rwlock_unlock(&f->lock);
	return r;
}

bool file_keep_times(struct node *n, int64_t mtime_ns, int64_t ctime_ns)
{
	struct file *f = n->file;

	/* a draft whose version is written already takes no time along */
	if (!f || !__atomic_load_n(&f->unkept, __ATOMIC_ACQUIRE))
		return false;
	if (mtime_ns)
		set_times(f, mtime_ns, ctime_ns);
	else
		__atomic_store_n(&f->ctime_ns, ctime_ns, __ATOMIC_RELEASE);
	/* a closed one may have to be found again without this process */
	return !__atomic_load_n(&f->sealed, __ATOMIC_ACQUIRE);
}

/* The present content is the node's own; whoever else stands for the inode has
 * another. */
static void own_version(struct fs *fs, struct node *n, const struct ns_attr *a)
{
	struct node *present;

	n->version = a->version;
	n->addr = a->addr;
	n->size = a->size;
	n->since_ns = a->mtime_ns;
	n->stale = false;
	if (!n->old)
		return;
	present = node_find_source(fs, n->ino);
	if (present)
		node_supersede(fs, present);
	derived_told(fs);
}

/* Written, but the same as before: what the kernel has shown of ctime stays. */
static int same_again(struct fs *fs, const struct ns_by *by, struct node *n,
		      int64_t ctime, struct ns_attr *a)
{
	const struct ns_attr set = {.ctime_ns = ctime};

	if (!ctime || ctime == a->ctime_ns)
		return 0;
	return ns_setattr(fs->ns, by, n->ino, NS_SET_CTIME, &set, a);
}

/* Rows of a version, and that its seal is taken in; db_lock not held. */
static int write_version(struct fs *fs, struct node *n, const struct addr *addr,
			 uint64_t size)
{
	struct file *f = n->file;
	struct ns_by by;
	struct ns_attr a;
	int64_t mtime, ctime;
	int r;

	db_lock(fs->db);
	by = (struct ns_by){
		.uid = f->uid,
		.pid = f->pid,
		.program = f->program[0] ? f->program : NULL,
	};
	r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	if (r >= 0 && a.nlink) {
		mtime = __atomic_load_n(&f->mtime_ns, __ATOMIC_ACQUIRE);
		if (!mtime)
			mtime = a.mtime_ns;
		ctime = __atomic_load_n(&f->ctime_ns, __ATOMIC_ACQUIRE);
		if (addr_eq(&a.addr, addr) && a.mtime_ns == mtime)
			r = same_again(fs, &by, n, ctime, &a);
		else
			r = ns_write_at(fs->ns, &by, n->ino, addr, size, mtime,
					ctime, &a);
		if (r >= 0)
			own_version(fs, n, &a);
		eval_inode_changed(fs->eval, n->ino);
	}
	if (r == -ENOENT)
		r = 0; /* removed, as below */
	if (r >= 0 && f->seal)
		r = seal_take(fs->seals, f->seal);
	set_times(f, 0, 0);
	if (r >= 0)
		__atomic_store_n(&f->unkept, false, __ATOMIC_RELEASE);
	fs_unlock(fs);
	return r;
}

static void complain(struct fs *fs, const struct node *n, int rc)
{
	CLEANUP_BUF struct buf path = BUF_INIT;

	node_path(fs, n, &path);
	log_error("%s: what was written cannot be kept: %s", buf_cstr(&path),
		  err_name(rc));
}

/* --- large drafts: sealed, then taken in ---------------------------------- */

#define SEAL_FROM MIB(8) /* taking in less takes no more than a moment */

/* A full disk: nothing is lost, the file shows what its draft has, and it is
 * tried again. */
static bool no_room(int r)
{
	return r == -ENOSPC || r == -EDQUOT;
}

static void say_later(struct fs *fs, const struct node *n, int rc)
{
	CLEANUP_BUF struct buf path = BUF_INIT;

	node_path(fs, n, &path);
	log_error("%s: what was written cannot be taken in: %s: it stays in "
		  "drafts/, and the next mount tries again",
		  buf_cstr(&path), err_name(rc));
}

static void unseal(struct fs *fs, struct file *f, bool taken)
{
	seal_done(fs->seals, steal(&f->seal), taken);
	fs_room_give(fs, f->sealed);
	__atomic_store_n(&f->sealed, 0, __ATOMIC_RELEASE);
}

/* A draft that was sealed is in the store, or (r < 0) it could not be taken in:
 * then its seal stays for the next mount. The file's lock held for writing. */
static int sealed_taken(struct fs *fs, struct node *n, int r,
			const struct addr *addr, uint64_t size)
{
	struct file *f = n->file;
	struct addr none;

	if (r >= 0) {
		r = draft_taken(f->draft, addr, true);
	} else if (draft_damaged(f->draft)) {
		seal_damaged(fs->seals, f->seal, &none);
		draft_free(steal(&f->draft));
		addr = &none;
		r = 0;
	}
	if (r >= 0)
		r = write_version(fs, n, addr, size);
	if (r >= 0)
		r = fs_commit(fs);
	unseal(fs, f, r >= 0);
	if (r < 0) {
		say_later(fs, n, r);
		__atomic_fetch_add(&fs->lost, 1, __ATOMIC_ACQ_REL);
		/* nobody may write to what the next mount takes in */
		draft_free(steal(&f->draft));
	}
	publish(f);
	return r;
}

/* Here and now; the file's lock held for writing. */
static int finish_sealed(struct fs *fs, struct node *n)
{
	struct addr addr;
	uint64_t size = 0;
	unsigned ticket = store_enter(fs->store);
	int r = draft_take_in(n->file->draft, &addr, &size);

	if (!no_room(r))
		r = sealed_taken(fs, n, r, &addr, size);
	store_leave(fs->store, ticket);
	return r;
}

/* Removed meanwhile: nobody will miss it. */
static bool is_gone(struct fs *fs, const struct node *n)
{
	struct ns_attr a;
	int r;

	db_lock(fs->db);
	r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	db_unlock(fs->db);
	return r == -ENOENT || (r >= 0 && !a.nlink);
}

static int give_up_sealed(struct fs *fs, struct file *f)
{
	int r;

	db_lock(fs->db);
	r = seal_take(fs->seals, f->seal);
	fs_unlock(fs);
	unseal(fs, f, r >= 0);
	return r;
}

int file_take_in(struct fs *fs, struct node *n, bool give_up)
{
	struct file *f = n->file;
	struct seal *seal;
	struct addr addr;
	uint64_t size = 0;
	unsigned ticket;
	int r = 0;

	ticket = store_enter(fs->store);
	/* who reads goes on; who writes waits, as a seal is not written to */
	pthread_rwlock_rdlock(&f->lock);
	seal = f->seal;
	if (seal)
		r = draft_take_in(f->draft, &addr, &size);
	pthread_rwlock_unlock(&f->lock);
	if (seal) {
		pthread_rwlock_wrlock(&f->lock);
		if (f->seal != seal)
			r = 0;
		else if (no_room(r) && is_gone(fs, n))
			r = give_up_sealed(fs, f);
		else if (no_room(r) && !give_up)
			r = -EAGAIN;
		else
			r = sealed_taken(fs, n, r, &addr, size);
		pthread_rwlock_unlock(&f->lock);
	}
	store_leave(fs->store, ticket);
	return r;
}

/* Under the file's lock: whether there is something to take in. */
static bool to_be_taken(const struct file *f, bool finish)
{
	return f->draft && draft_dirty(f->draft) &&
	       (finish || !draft_only_truncated(f->draft));
}

/* 1: sealed. 0: it is to be taken in at once. */
static int seal_draft(struct fs *fs, struct node *n)
{
	struct file *f = n->file;
	uint64_t changed = draft_changed(f->draft);
	struct seal_info info = {.ino = n->ino};
	struct ns_attr a;
	int r;

	/* others are promised to see it within 100 ms */
	if (changed < SEAL_FROM || !taker_wants(fs, changed) ||
	    attach_has_others(store_attach(fs->store)))
		return 0;
	db_lock(fs->db);
	r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	info.seq = ns_last_change(fs->ns);
	info.branch = ns_branch(fs->ns);
	info.uid = f->uid;
	info.pid = f->pid;
	memcpy(info.program, f->program, sizeof(info.program));
	db_unlock(fs->db);
	if (r < 0 || !a.nlink)
		return 0;
	info.version = a.version;
	info.base = a.addr;
	info.row_mtime_ns = a.mtime_ns;
	info.mtime_ns = __atomic_load_n(&f->mtime_ns, __ATOMIC_ACQUIRE);
	if (!info.mtime_ns)
		info.mtime_ns = a.mtime_ns;
	r = fs_room_take(fs, changed);
	if (r < 0)
		return r;
	r = seal_make(fs->seals, f->draft, &info, &f->seal);
	if (r < 0) {
		fs_room_give(fs, changed);
		return r == -EOPNOTSUPP ? 0 : r;
	}
	__atomic_store_n(&f->sealed, changed, __ATOMIC_RELEASE);
	db_lock(fs->db);
	fs_unlock(fs); /* it has a row to be committed */
	return 1;
}

int file_close(struct fs *fs, struct node *n, bool finish)
{
	struct file *f = n->file;
	int r = 0;

	pthread_rwlock_rdlock(&f->lock);
	if (!f->seal && !to_be_taken(f, finish)) {
		pthread_rwlock_unlock(&f->lock);
		return 0;
	}
	pthread_rwlock_unlock(&f->lock);
	if (__atomic_load_n(&f->sealed, __ATOMIC_ACQUIRE))
		return 0; /* it is on its way */
	pthread_rwlock_wrlock(&f->lock);
	if (!f->seal && to_be_taken(f, finish)) {
		r = seal_draft(fs, n);
		if (r > 0 && taker_add(fs, n) < 0)
			r = finish_sealed(fs, n);
		else if (r < 0)
			complain(fs, n, r);
	}
	pthread_rwlock_unlock(&f->lock);
	/* what is sealed is left alone */
	if (r < 0 || __atomic_load_n(&f->sealed, __ATOMIC_ACQUIRE))
		return r < 0 ? r : 0;
	return file_commit(fs, n, finish);
}

int file_commit(struct fs *fs, struct node *n, bool finish)
{
	struct file *f = n->file;
	struct addr addr;
	struct ns_attr a;
	uint64_t size, changed;
	unsigned ticket;
	int r = 0;

	pthread_rwlock_wrlock(&f->lock);
	if (f->seal)
		r = finish_sealed(fs, n);
	if (r < 0 || !to_be_taken(f, finish))
		goto out;
	db_lock(fs->db);
	r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	db_unlock(fs->db);
	/* nobody will see it again; without a row it was removed by another
	 * process, or went with a batch that was lost (fs->lost tells) */
	if (r == -ENOENT)
		r = 0;
	else if (r >= 0 && a.nlink)
		r = 1;
	if (r <= 0)
		goto out;
	changed = draft_changed(f->draft);
	if (changed > KIB(128))
		serve_long(fs->crew);
	else
		serve_busy(fs->crew);
	r = fs_room_take(fs, changed);
	ticket = store_enter(fs->store);
	if (r >= 0) {
		r = draft_commit(f->draft, &addr, &size);
		fs_room_give(fs, changed);
	}
	if (r >= 0)
		r = write_version(fs, n, &addr, size);
	store_leave(fs->store, ticket);
	if (r < 0)
		complain(fs, n, r);
out:
	pthread_rwlock_unlock(&f->lock);
	return r;
}

uint64_t file_changed(struct node *n)
{
	struct file *f = n->file;
	uint64_t changed;

	pthread_rwlock_rdlock(&f->lock);
	changed = f->draft ? draft_changed(f->draft) : 0;
	pthread_rwlock_unlock(&f->lock);
	return changed;
}

/* One at a time, as nodes may come and go while no lock is held. */
static struct node *next_draft(struct fs *fs, struct node *after)
{
	bool seen = !after;
	struct node *n;
	size_t it = 0;

	while ((n = node_table_next(fs->nodes, &it))) {
		if (seen && n->file &&
		    __atomic_load_n(&n->file->drafted, __ATOMIC_ACQUIRE))
			return n;
		seen = seen || n == after;
	}
	return NULL;
}

void files_commit(struct fs *fs)
{
	struct node *n = NULL;

	while ((n = next_draft(fs, n)))
		if (file_commit(fs, n, true) < 0)
			__atomic_fetch_add(&fs->lost, 1, __ATOMIC_ACQ_REL);
}

int file_seek(struct fs *fs, struct node *n, uint64_t off, bool hole,
	      uint64_t *ret)
{
	struct file *f = n->file;
	int r;

	pthread_rwlock_wrlock(&f->lock);
	r = f->draft ? 0 : load_blob(fs, n);
	if (r >= 0)
		r = seek_pages(f->draft, f->draft ? NULL : f->blob, off, hole,
			       ret);
	pthread_rwlock_unlock(&f->lock);
	return r;
}
