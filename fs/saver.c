/* Versions of files that stay open.
 *
 * What is written to a file that stays open is in the kernel's cache, then in
 * its draft, and lost when the daemon is killed. So now and then it is brought
 * in and kept as a version, as fsync would: half a second after the file was
 * opened for the first time, then at intervals that grow with the time it has
 * been open, since each is a version in the history, with the chunks that
 * changed: one that is written all day would fill the disk.
 *
 * A file of which much has changed is let be: taking that in takes longer than
 * anybody who writes to it should wait, and it is durable when it is closed or
 * with fsync.
 */
#include "fs/fs.h"

#include <errno.h>
#include <time.h>

#include "core/clock.h"
#include "fs/flusher.h"

#define TICK_NS (NSEC_PER_SEC / 2)
#define MOST_NS (10 * NSEC_PER_SEC)
#define SHARE	16 /* of the time that it has been open */
#define MUCH	MIB(8)

struct saver {
	struct flusher *flusher;
	pthread_t thread;
	pthread_mutex_t lock; /* these: */
	pthread_cond_t moved;
	bool running, idle, stop;
};

int saver_open(struct fs *fs)
{
	struct saver *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	r = flusher_open(&s->flusher);
	if (r < 0) {
		free(s);
		return r;
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->moved, NULL);
	fs->saver = s;
	return 0;
}

void saver_close(struct fs *fs)
{
	struct saver *s = fs->saver;

	if (!s)
		return;
	flusher_close(s->flusher);
	pthread_cond_destroy(&s->moved);
	pthread_mutex_destroy(&s->lock);
	free(s);
	fs->saver = NULL;
}

void saver_add(struct fs *fs, struct node *n)
{
	struct saver *s = fs->saver;

	n->file->open_ns = clock_mono_ns();
	n->file->save_ns = n->file->open_ns + TICK_NS;
	n->write_next = fs->writers;
	n->write_link = &fs->writers;
	if (fs->writers)
		fs->writers->write_link = &n->write_next;
	fs->writers = n;
	pthread_mutex_lock(&s->lock);
	if (s->idle)
		pthread_cond_signal(&s->moved);
	s->idle = false;
	pthread_mutex_unlock(&s->lock);
}

void saver_drop(struct node *n)
{
	*n->write_link = n->write_next;
	if (n->write_next)
		n->write_next->write_link = n->write_link;
}

static bool stopped(void *ctx)
{
	struct saver *s = ctx;
	bool stop;

	pthread_mutex_lock(&s->lock);
	stop = s->stop;
	pthread_mutex_unlock(&s->lock);
	return stop;
}

/* Until files have been open for writing for a while. */
static void wait_for_writers(struct saver *s)
{
	struct timespec ts;

	pthread_mutex_lock(&s->lock);
	while (s->idle && !s->stop)
		pthread_cond_wait(&s->moved, &s->lock);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += TICK_NS;
	ts.tv_sec += ts.tv_nsec / NSEC_PER_SEC;
	ts.tv_nsec %= NSEC_PER_SEC;
	while (!s->stop && !pthread_cond_timedwait(&s->moved, &s->lock, &ts))
		;
	pthread_mutex_unlock(&s->lock);
}

/* Whether one is due; without any, there is nothing to do until one comes. */
static bool any_due(struct fs *fs, int64_t now)
{
	struct node *n;
	bool due = false;

	db_lock(fs->db);
	for (n = fs->writers; n && !due; n = n->write_next)
		due = n->file->save_ns <= now;
	pthread_mutex_lock(&fs->saver->lock);
	fs->saver->idle = !fs->writers;
	pthread_mutex_unlock(&fs->saver->lock);
	db_unlock(fs->db);
	return due;
}

/* One that is due and has something to keep, held; db_lock is not. */
static struct node *next_due(struct fs *fs, int64_t now)
{
	struct node *n;
	struct file *f;

	db_lock(fs->db);
	for (n = fs->writers; n; n = n->write_next) {
		f = n->file;
		if (f->save_ns > now)
			continue;
		f->save_ns = now + MIN(MAX((now - f->open_ns) / SHARE, TICK_NS),
				       MOST_NS);
		if (__atomic_load_n(&f->unkept, __ATOMIC_ACQUIRE) &&
		    !n->unlinked)
			break;
	}
	if (n)
		n->opens++;
	db_unlock(fs->db);
	return n;
}

static void save(struct fs *fs, struct node *n)
{
	if (file_changed(n) < MUCH && file_commit(fs, n, true) < 0)
		log_debug("a file that stays open is not kept yet");
	db_lock(fs->db);
	file_release(fs, n, false);
	fs_unlock(fs);
}

static void *saver(void *arg)
{
	struct fs *fs = arg;
	struct saver *s = fs->saver;
	bool said = false;
	struct node *n;
	int64_t now;
	int r;

	while (!stopped(s)) {
		wait_for_writers(s);
		now = clock_mono_ns();
		if (stopped(s) || !any_due(fs, now))
			continue;
		r = flusher_run(s->flusher, fs->mountpoint, stopped, s);
		if (r < 0 && r != -ECANCELED && !said) {
			log_warn("%s: what the kernel has of open files cannot "
				 "be brought in: %s",
				 fs->mountpoint, err_name(r));
			said = true;
		}
		while (!stopped(s) && (n = next_due(fs, now)))
			save(fs, n);
	}
	return NULL;
}

int saver_start(struct fs *fs)
{
	struct saver *s = fs->saver;
	int r = -pthread_create(&s->thread, NULL, saver, fs);

	s->running = !r;
	return r;
}

void saver_stop(struct fs *fs)
{
	struct saver *s = fs->saver;

	if (!s || !s->running)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->moved);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	s->running = false;
}
