/* What a mount does for collection: it sleeps until somebody who collects asks
 * for something, and now and then collects itself, when it may pay: when old
 * versions are not kept for ever and something has come in since, or when there
 * are more derived bytes than the budget, and more than the last time left.
 *
 * What was put lately stays then: who puts content without a name has an hour
 * to give it one.
 */
#include "fs/fs.h"

#include <errno.h>

#include "cas/evict.h"
#include "cas/gc.h"
#include "core/clock.h"
#include "core/settings.h"

#define LOOK_NS (60 * NSEC_PER_SEC)
/* What could not go the last time, as it was open or not known to be
 * reproducible, may be able to by then. */
#define AGAIN 16
#define PAYS  MIB(16) /* come in since the last time */

static bool stop(void *ctx)
{
	struct fs *fs = ctx;

	return __atomic_load_n(&fs->keeper_stop, __ATOMIC_ACQUIRE);
}

/* How much there is of what may go. */
struct amount {
	uint64_t stored, derived;
	int64_t at_ns;
};

/* Whether it may pay, after what was left by the last time; *ret: as it is. */
static bool pays(struct fs *fs, const struct amount *before, struct amount *ret,
		 int64_t *ret_every_ns)
{
	struct object_totals o = {0};
	struct settings settings;
	uint64_t derived = 0;
	int r = evict_measure(fs->store, stop, fs);

	db_lock(fs->db);
	if (r >= 0)
		r = settings_load(fs->db, &settings);
	if (r >= 0)
		r = objects_totals(store_objects(fs->store), &o);
	if (r >= 0)
		r = budget_kept(fs->db, &derived);
	db_unlock(fs->db);
	*ret = (struct amount){o.stored, derived, clock_mono_ns()};
	*ret_every_ns = r >= 0 ? settings.collect_ns : 0;
	if (r < 0 || !settings.collect_ns)
		return false;
	return (!retention_keeps_all(&settings.retention) &&
		o.stored >= before->stored + PAYS) ||
	       (settings.budget && derived > settings.budget &&
		(derived > before->derived ||
		 ret->at_ns - before->at_ns > AGAIN * settings.collect_ns));
}

static void collect(struct fs *fs)
{
	const struct gc_options o = {
		.percent = 30,
		.spare_ns = 3600 * NSEC_PER_SEC,
		.patience_ns = NSEC_PER_SEC,
		.stop = stop,
		.ctx = fs,
		.ns = fs->ns,
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
	struct amount before = {0, 0, 0}, now;
	int64_t last = clock_mono_ns(), every;
	struct fs *fs = arg;
	bool paying, collected = false;
	int r;

	(void)pays(fs, &before, &now, &every);
	before.stored = now.stored;
	before.at_ns = now.at_ns;
	while (!stop(fs)) {
		r = store_serve(fs->store,
				every ? MIN(every, LOOK_NS) : LOOK_NS);
		if (r < 0)
			log_warn("%s: collection asked in vain for a pack to "
				 "be finished: %s",
				 store_path(fs->store), err_name(r));
		if (stop(fs))
			break;
		paying = pays(fs, &before, &now, &every);
		if (!paying || clock_mono_ns() - last < MIN(every, LOOK_NS))
			continue;
		if (collected && clock_mono_ns() - last < every)
			continue;
		collect(fs);
		collected = true;
		(void)pays(fs, &before, &now, &every);
		before = now;
		last = clock_mono_ns();
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
