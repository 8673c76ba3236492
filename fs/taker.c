/* Takes sealed drafts in, one after the other: each by all cores
 * (cas/ingest.h), so that more at a time would gain nothing. As long as one
 * waits here it is held by an open handle for writing that nobody else knows
 * of: whoever needs its content finds it changing, and waits for it as for any
 * other.
 */
#include "fs/fs.h"

#include <errno.h>
#include <time.h>

#include "core/branch.h"
#include "core/clock.h"

#define WAITING_MAX GIB(4) /* bytes; beyond, who closes does it himself */
#define WAIT_NS	    (3 * NSEC_PER_SEC)
#define ROOM_NS	    (NSEC_PER_SEC / 2) /* until a full disk is tried again */

struct job {
	struct job *next;
	struct node *node;
	uint64_t bytes;
};

struct taker {
	pthread_t thread;
	pthread_mutex_t lock; /* these: */
	pthread_cond_t moved;
	struct job *first, **last;
	uint64_t bytes; /* that wait or are being taken in */
	uint64_t added, done;
	bool stop;
};

/* Under the lock: until something moves, or that time. */
static int wait_until(struct taker *t, int64_t until)
{
	struct timespec ts = {until / NSEC_PER_SEC, until % NSEC_PER_SEC};

	return pthread_cond_timedwait(&t->moved, &t->lock, &ts);
}

/* A full disk is waited for as long as the mount lasts. */
static int take_in(struct fs *fs, struct node *n)
{
	struct taker *t = fs->taker;
	bool said = false, stop = false;
	int r;

	while ((r = file_take_in(fs, n, stop)) == -EAGAIN) {
		if (!said)
			log_warn("%s: the disk is full: files that were closed "
				 "wait in drafts/ until there is room",
				 store_path(fs->store));
		said = true;
		pthread_mutex_lock(&t->lock);
		if (!t->stop)
			wait_until(t, clock_mono_ns() + ROOM_NS);
		stop = t->stop;
		pthread_mutex_unlock(&t->lock);
	}
	return r;
}

static void take(struct fs *fs, struct node *n)
{
	bool last;
	int r = take_in(fs, n); /* who fails has said so */

	db_lock(fs->db);
	last = n->writers == 1;
	db_unlock(fs->db);
	/* cut by truncate(2) meanwhile: we are the last that has it open */
	if (last && r >= 0 && file_commit(fs, n, true) < 0)
		__atomic_fetch_add(&fs->lost, 1, __ATOMIC_ACQ_REL);
	db_lock(fs->db);
	file_release(fs, n, true);
	fs_unlock(fs);
}

static void *taker(void *arg)
{
	struct fs *fs = arg;
	struct taker *t = fs->taker;
	struct job *j;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		j = t->first;
		if (!j && t->stop)
			break;
		if (!j) {
			pthread_cond_wait(&t->moved, &t->lock);
			continue;
		}
		t->first = j->next;
		if (!t->first)
			t->last = &t->first;
		pthread_mutex_unlock(&t->lock);
		take(fs, j->node);
		pthread_mutex_lock(&t->lock);
		t->bytes -= j->bytes;
		t->done++;
		free(j);
		pthread_cond_broadcast(&t->moved);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int taker_start(struct fs *fs)
{
	struct taker *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;
	int r;

	if (!t)
		return -ENOMEM;
	t->last = &t->first;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->moved, &attr);
	pthread_condattr_destroy(&attr);
	fs->taker = t;
	r = -pthread_create(&t->thread, NULL, taker, fs);
	if (r < 0) {
		fs->taker = NULL;
		free(t);
	}
	return r;
}

void taker_stop(struct fs *fs)
{
	struct taker *t = fs->taker;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->moved);
	pthread_mutex_destroy(&t->lock);
	free(t);
	fs->taker = NULL;
}

bool taker_wants(struct fs *fs, uint64_t bytes)
{
	struct taker *t = fs->taker;
	bool wants;

	if (!t)
		return false;
	pthread_mutex_lock(&t->lock);
	wants = !t->bytes || t->bytes + bytes <= WAITING_MAX;
	pthread_mutex_unlock(&t->lock);
	return wants;
}

int taker_add(struct fs *fs, struct node *n)
{
	struct taker *t = fs->taker;
	struct job *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->node = n;
	j->bytes = n->file->sealed;
	db_lock(fs->db);
	n->opens++;
	if (n->writers++ == 0)
		saver_add(fs, n);
	db_unlock(fs->db);
	pthread_mutex_lock(&t->lock);
	*t->last = j;
	t->last = &j->next;
	t->bytes += j->bytes;
	t->added++;
	pthread_cond_broadcast(&t->moved);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

void taker_wait(struct fs *fs)
{
	int64_t until = clock_mono_ns() + WAIT_NS;
	struct taker *t = fs->taker;
	uint64_t mine;
	int r = 0;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	mine = t->added;
	while (!r && t->done < mine)
		r = wait_until(t, until);
	pthread_mutex_unlock(&t->lock);
}

/* --- after a crash -------------------------------------------------------- */

static int write_found(struct fs *fs, struct seal *seal,
		       const struct seal_info *i, const struct addr *addr,
		       uint64_t size, const struct ns_attr *was)
{
	struct ns_by by = {
		.uid = i->uid,
		.pid = i->pid,
		.program = i->program[0] ? i->program : NULL,
	};
	/* its time may have been set after it was closed */
	int64_t mtime =
		was->mtime_ns != i->row_mtime_ns ? was->mtime_ns : i->mtime_ns;
	struct ns_attr a;
	int r;

	db_lock(fs->db);
	r = ns_write(fs->ns, &by, i->ino, addr, size, mtime, &a);
	if (r >= 0)
		r = seal_take(fs->seals, seal);
	if (r >= 0)
		r = db_commit(fs->db);
	db_unlock(fs->db);
	return r;
}

/* -EXDEV: of a branch that is not mounted here; -ENOENT: that is gone. */
static int is_ours(struct fs *fs, const struct seal_info *i)
{
	struct branch b;
	int r;

	if (i->branch == ns_branch(fs->ns))
		return 0;
	r = branch_get(fs->db, i->branch, &b);
	return r < 0 ? r : -EXDEV;
}

static int found(void *ctx, struct seal *seal, const struct seal_info *i,
		 struct draft *d)
{
	struct fs *fs = ctx;
	struct ns_attr a;
	struct addr addr;
	unsigned ticket;
	uint64_t size;
	int r;

	db_lock(fs->db);
	r = is_ours(fs, i);
	if (r >= 0)
		r = ns_getattr(fs->ns, NS_NOW, i->ino, &a);
	db_unlock(fs->db);
	if (r == -ENOENT || (r >= 0 && (!a.nlink || a.version != i->version)))
		return 0; /* removed, or taken in already */
	if (r < 0)
		return r;
	ticket = store_enter(fs->store);
	r = draft_take_in(d, &addr, &size);
	if (r < 0 && draft_damaged(d)) {
		seal_damaged(fs->seals, seal, &addr);
		r = 0;
	}
	if (r >= 0)
		r = write_found(fs, seal, i, &addr, size, &a);
	store_leave(fs->store, ticket);
	return r;
}

int taker_recover(struct fs *fs)
{
	int r = seals_open(fs->store, fs->ns, &fs->seals);

	return r < 0 ? r : seals_recover(fs->seals, found, fs);
}
