/* Ending batches: within 20 ms of the first write, and durable once a second
 * while there is something to make so.
 */
#include "fs/fs.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <time.h>

#include "core/clock.h"

#define COMMIT_NS (10 * NSEC_PER_SEC / 1000)
#define LATE_NS	  (12 * NSEC_PER_SEC / 1000)
/* A second from the first change to the end of the sync: so much for the sync
 * itself, or what the last ones took. */
#define SYNC_NS	    (7 * NSEC_PER_SEC / 10)
#define SYNC_MIN_NS (NSEC_PER_SEC / 10)

static void sleep_ns(int64_t ns)
{
	struct timespec ts = {ns / NSEC_PER_SEC, ns % NSEC_PER_SEC};

	clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/* Should not happen, as room is kept for it. Names that are gone must not be
 * found any more, and who has files open is told at the next chance. */
static void batch_lost(struct fs *fs, int rc)
{
	log_error("%s: changes of the last %d ms are lost: %s",
		  store_path(fs->store), (int)(COMMIT_NS / 1000000),
		  err_name(rc));
	db_lock(fs->db);
	derived_told(fs);
	db_unlock(fs->db);
}

/* Whoever ended it: collection commits what others wrote as well. */
static void batch_ended(void *ctx, bool committed)
{
	struct fs *fs = ctx;

	if (committed)
		return;
	__atomic_fetch_add(&fs->lost, 1, __ATOMIC_ACQ_REL);
	fs->forget_names = true;
	fs->forget_lists = true;
	follow_wake(fs);
}

void fs_wrote(void *ctx)
{
	struct fs *fs = ctx;

	if (!db_in_batch(fs->db))
		return;
	pthread_mutex_lock(&fs->commit_lock);
	/* one may be wanted already without the other */
	if (!fs->commit_wanted || !fs->unsynced_ns) {
		fs->commit_wanted = true;
		if (!fs->unsynced_ns)
			fs->unsynced_ns = clock_mono_ns();
		pthread_cond_broadcast(&fs->commit_cond);
	}
	pthread_mutex_unlock(&fs->commit_lock);
}

/* The committer may be late on a busy machine; then whoever writes next ends
 * the batch before its answer, so that none grows old. */
static void commit_if_late(struct fs *fs)
{
	int64_t now;
	int r;

	if (!db_in_batch(fs->db)) {
		fs->batch_ns = 0;
		return;
	}
	now = clock_mono_ns();
	if (!fs->batch_ns)
		fs->batch_ns = now;
	if (now - fs->batch_ns < LATE_NS)
		return;
	r = db_commit(fs->db);
	fs->batch_ns = 0;
	if (r < 0)
		batch_lost(fs, r);
}

void fs_unlock(struct fs *fs)
{
	bool mixed;

	fs_wrote(fs);
	commit_if_late(fs);
	mixed = fs->mixed && map_count(fs->mixed);
	db_unlock(fs->db);
	if (mixed)
		lists_mixed(fs);
}

/* Until somebody wrote. False: time to stop. */
static bool wait_for_work(struct fs *fs)
{
	bool stop;

	pthread_mutex_lock(&fs->commit_lock);
	while (!fs->commit_wanted && !fs->commit_stop)
		pthread_cond_wait(&fs->commit_cond, &fs->commit_lock);
	stop = fs->commit_stop;
	pthread_mutex_unlock(&fs->commit_lock);
	return !stop;
}

static bool take_work(struct fs *fs)
{
	bool wanted;

	pthread_mutex_lock(&fs->commit_lock);
	wanted = fs->commit_wanted;
	fs->commit_wanted = false;
	pthread_mutex_unlock(&fs->commit_lock);
	return wanted;
}

int fs_commit(struct fs *fs)
{
	int r;

	db_lock(fs->db);
	r = db_commit(fs->db);
	fs->batch_ns = 0;
	db_unlock(fs->db);
	if (r < 0)
		batch_lost(fs, r);
	return r;
}

int fs_sync(struct fs *fs)
{
	/* first by itself: that says what is lost */
	int r = fs_commit(fs);

	return r < 0 ? r : seals_sync(fs->seals);
}

static void *committer(void *arg)
{
	struct fs *fs = arg;

	while (wait_for_work(fs)) {
		sleep_ns(COMMIT_NS); /* let a batch gather */
		if (take_work(fs) && fs_commit(fs) < 0)
			log_debug("commit: said above");
	}
	return NULL;
}

/* Under commit_lock: until that time, or the end. */
static void wait_until(struct fs *fs, int64_t until)
{
	struct timespec ts = {until / NSEC_PER_SEC, until % NSEC_PER_SEC};

	while (!fs->commit_stop &&
	       !pthread_cond_timedwait(&fs->commit_cond, &fs->commit_lock, &ts))
		;
}

/* Moving the log to the main file comes behind, as nobody waits for it. */
static void sync_now(struct fs *fs, int64_t *took_ns)
{
	int64_t start = clock_mono_ns(), took;
	int r = fs_sync(fs);

	took = clock_mono_ns() - start;
	*took_ns = MAX(took, *took_ns * 3 / 4);
	if (r >= 0)
		r = db_checkpoint(fs->db);
	if (r < 0)
		log_error("%s: cannot be made durable: %s: look "
			  "after the disk, unmount and mount "
			  "again; nothing is written until then",
			  store_path(fs->store), err_name(r));
}

/* Durable once a second while there is something to make so: by a thread of
 * its own, since that may take its time, which no batch has. The second counts
 * from the first change that is not durable, also when that came while an
 * earlier sync was under way. */
static void *syncer(void *arg)
{
	struct fs *fs = arg;
	int64_t took = 0;

	pthread_mutex_lock(&fs->commit_lock);
	while (!fs->commit_stop) {
		if (!fs->unsynced_ns) {
			pthread_cond_wait(&fs->commit_cond, &fs->commit_lock);
			continue;
		}
		wait_until(fs,
			   fs->unsynced_ns + MAX(SYNC_NS - took, SYNC_MIN_NS));
		if (fs->commit_stop)
			break;
		fs->unsynced_ns = 0;
		pthread_mutex_unlock(&fs->commit_lock);
		sync_now(fs, &took);
		pthread_mutex_lock(&fs->commit_lock);
	}
	pthread_mutex_unlock(&fs->commit_lock);
	return NULL;
}

/* What a batch may need when it is committed: pages of the database's log. A
 * full disk must be noticed before an operation is acknowledged, not after. */
#define RESERVE MIB(16)

/* Where there is plenty the system is not asked before every operation: no
 * more than this can go within that time. */
#define PLENTY	 GIB(2)
#define TRUST_NS (20 * NSEC_PER_SEC / 1000)

static bool plenty(struct fs *fs, uint64_t bytes)
{
	return bytes < PLENTY / 2 &&
	       clock_mono_ns() <
		       __atomic_load_n(&fs->plenty_until_ns, __ATOMIC_ACQUIRE);
}

static int room(struct fs *fs, uint64_t bytes, unsigned part)
{
	struct statvfs st;
	uint64_t have, all, reserve;

	int r = store_unsafe(fs->store);

	/* what is not on the disk now may never be: no more is taken on */
	if (r < 0)
		return r;
	if (plenty(fs, bytes))
		return 0;
	if (fstatvfs(store_drafts_fd(fs->store), &st) < 0)
		return -errno;
	have = (fs->uid ? st.f_bavail : st.f_bfree) * st.f_frsize;
	all = st.f_blocks * st.f_frsize;
	reserve = MIN(RESERVE, all / 8) / part;
	if (have >= PLENTY)
		__atomic_store_n(&fs->plenty_until_ns,
				 clock_mono_ns() + TRUST_NS, __ATOMIC_RELEASE);
	return have < reserve || have - reserve < bytes ? -ENOSPC : 0;
}

int fs_room(struct fs *fs, uint64_t bytes)
{
	return room(fs,
		    bytes + __atomic_load_n(&fs->promised, __ATOMIC_ACQUIRE),
		    1);
}

int fs_room_take(struct fs *fs, uint64_t bytes)
{
	uint64_t all =
		__atomic_add_fetch(&fs->promised, bytes, __ATOMIC_ACQ_REL);
	int r = room(fs, all, 1);

	if (r < 0)
		fs_room_give(fs, bytes);
	return r;
}

void fs_room_give(struct fs *fs, uint64_t bytes)
{
	__atomic_sub_fetch(&fs->promised, bytes, __ATOMIC_ACQ_REL);
}

int fs_room_to_remove(struct fs *fs)
{
	return room(fs, 0, 4);
}

void helper_begin(struct fs *fs)
{
	pthread_mutex_lock(&fs->commit_lock);
	fs->helpers++;
	pthread_mutex_unlock(&fs->commit_lock);
}

void helper_done(struct fs *fs)
{
	pthread_mutex_lock(&fs->commit_lock);
	fs->helpers--;
	pthread_cond_broadcast(&fs->commit_cond);
	pthread_mutex_unlock(&fs->commit_lock);
}

int committer_start(struct fs *fs)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&fs->commit_lock, NULL);
	pthread_cond_init(&fs->commit_cond, &attr);
	pthread_condattr_destroy(&attr);
	r = -pthread_create(&fs->committer, NULL, committer, fs);
	fs->committing = !r;
	db_lock(fs->db);
	if (r >= 0)
		r = db_add_hook(fs->db, (struct db_hook){.after = batch_ended,
							 .ctx = fs});
	db_unlock(fs->db);
	db_checkpoint_aside(fs->db);
	if (r >= 0) {
		r = -pthread_create(&fs->syncer, NULL, syncer, fs);
		fs->syncing = !r;
	}
	return r;
}

void committer_stop(struct fs *fs)
{
	if (!fs->committing)
		return;
	pthread_mutex_lock(&fs->commit_lock);
	while (fs->helpers)
		pthread_cond_wait(&fs->commit_cond, &fs->commit_lock);
	fs->commit_stop = true;
	pthread_cond_broadcast(&fs->commit_cond);
	pthread_mutex_unlock(&fs->commit_lock);
	pthread_join(fs->committer, NULL);
	if (fs->syncing)
		pthread_join(fs->syncer, NULL);
	fs->syncing = false;
	fs->committing = false;
	pthread_mutex_destroy(&fs->commit_lock);
	pthread_cond_destroy(&fs->commit_cond);
}
