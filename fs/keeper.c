/* What a mount does for collection: it sleeps until somebody who collects asks
 * for something, and now and then collects itself, when it may pay: when old
 * versions are not kept for ever and something has come in since.
 *
 * What was put lately stays then: who puts content without a name has an hour
 * to give it one.
 */
#include "fs/fs.h"

#include <errno.h>

#include "cas/gc.h"
#include "core/clock.h"
#include "core/settings.h"

#define LOOK_NS	 (60 * NSEC_PER_SEC)
#define EVERY_NS (600 * NSEC_PER_SEC)
#define PAYS	 MIB(16) /* come in since the last time */

static bool stop(void *ctx)
{
	struct fs *fs = ctx;

	return __atomic_load_n(&fs->keeper_stop, __ATOMIC_ACQUIRE);
}

/* Whether it may pay; *stored: bytes that the store has now. */
static bool pays(struct fs *fs, uint64_t before, uint64_t *stored)
{
	struct object_totals o = {0};
	struct settings settings;
	int r;

	db_lock(fs->db);
	r = settings_load(fs->db, &settings);
	if (r >= 0)
		r = objects_totals(store_objects(fs->store), &o);
	db_unlock(fs->db);
	*stored = o.stored;
	return r >= 0 && settings.retention.kind != KEEP_ALL &&
	       o.stored >= before + PAYS;
}

static void collect(struct fs *fs)
{
	const struct gc_options o = {
		.percent = 30,
		.spare_ns = 3600 * NSEC_PER_SEC,
		.patience_ns = NSEC_PER_SEC,
		.stop = stop,
		.ctx = fs,
	};
	struct gc_report r = {0};
	struct err err = {{0}};
	int rc = gc_run(fs->store, &o, &r, &err);

	if (rc < 0 && rc != -ECANCELED)
		log_warn("collection: %s", err.msg);
	else if (r.freed)
		log_info("collection freed %llu bytes",
			 (unsigned long long)r.freed);
}

static void *keeper(void *arg)
{
	int64_t next = clock_mono_ns() + LOOK_NS;
	uint64_t before = 0, stored;
	struct fs *fs = arg;
	int r;

	(void)pays(fs, 0, &before);
	while (!stop(fs)) {
		r = store_serve(fs->store, LOOK_NS);
		if (r < 0)
			log_warn("%s: collection asked in vain for a pack to "
				 "be finished: %s",
				 store_path(fs->store), err_name(r));
		if (stop(fs) || clock_mono_ns() < next ||
		    !pays(fs, before, &stored))
			continue;
		collect(fs);
		(void)pays(fs, 0, &before);
		next = clock_mono_ns() + EVERY_NS;
	}
	return NULL;
}

int keeper_start(struct fs *fs)
{
	int r = -pthread_create(&fs->keeper, NULL, keeper, fs);

	fs->keeping = !r;
	return r;
}

void keeper_stop(struct fs *fs)
{
	if (!fs->keeping)
		return;
	__atomic_store_n(&fs->keeper_stop, true, __ATOMIC_RELEASE);
	store_wake(fs->store);
	pthread_join(fs->keeper, NULL);
	fs->keeping = false;
}
