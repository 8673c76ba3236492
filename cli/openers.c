/* Twice as many openers as the mount has jobs keep it busy while some of them
 * wait for inputs that others compute.
 */
#include "cli/openers.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "core/clock.h"

struct build {
	const struct items *items;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t ended; /* an opener has */
	size_t next;	      /* item */
	unsigned openers;     /* alive */
	struct progress progress;
};

bool item_to_do(const struct item *it)
{
	return it->state != STATE_SOURCE && it->state != STATE_FRESH;
}

/* The next item that needs work, or NULL. Under the lock. */
static const struct item *next_item(struct build *b)
{
	while (b->next < b->items->count &&
	       !item_to_do(&b->items->list[b->next]))
		b->next++;
	return b->next < b->items->count ? &b->items->list[b->next++] : NULL;
}

/* What it took the last time, in seconds; 0: it is not known. */
static double cost_of(const struct item *it)
{
	double cost;

	return attr_cost(it->path, &cost) < 0 ? 0 : cost;
}

static void sum_costs(struct build *b)
{
	double cost;
	size_t i;

	if (!b->progress.terminal)
		return;
	for (i = 0; i < b->items->count; i++) {
		if (!item_to_do(&b->items->list[i]))
			continue;
		cost = cost_of(&b->items->list[i]);
		b->progress.rest_s += cost;
		b->progress.known += cost > 0;
	}
}

/* error: from open(2). Under the lock. */
static void report(struct build *b, const struct item *it, int error)
{
	CLEANUP_BUF struct buf why = BUF_INIT;

	if (attr_get(it->path, "error", &why) < 0 || !why.len)
		buf_str(&why, err_name(error));
	report_failed(&b->progress, it->shown, it->root, it->rel,
		      buf_cstr(&why));
}

static int compute(const struct item *it)
{
	int fd = open(it->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void *opener(void *ctx)
{
	struct build *b = ctx;
	const struct item *it;
	double cost;
	int error;

	pthread_mutex_lock(&b->lock);
	while ((it = next_item(b))) {
		if (it->state == STATE_BLOCKED) {
			report_blocked(&b->progress, it->shown);
			b->progress.done++;
			continue;
		}
		b->progress.running++;
		pthread_mutex_unlock(&b->lock);
		cost = b->progress.terminal ? cost_of(it) : 0;
		error = compute(it);
		pthread_mutex_lock(&b->lock);
		b->progress.rest_s = MAX(b->progress.rest_s - cost, 0);
		b->progress.running--;
		b->progress.done++;
		if (error)
			report(b, it, error);
	}
	b->openers--;
	pthread_cond_signal(&b->ended);
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

/* Draws the progress until the openers have ended. Under the lock. */
static void watch(struct build *b)
{
	struct timespec until;

	while (b->openers) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += NSEC_PER_SEC / 10;
		if (until.tv_nsec >= NSEC_PER_SEC) {
			until.tv_sec++;
			until.tv_nsec -= NSEC_PER_SEC;
		}
		pthread_cond_timedwait(&b->ended, &b->lock, &until);
		progress_draw(&b->progress);
	}
	progress_clear(&b->progress);
}

static int run_openers(struct build *b, unsigned count)
{
	pthread_t threads[OPENERS_MAX];
	unsigned i, started = 0;
	int rc = 0;

	pthread_mutex_lock(&b->lock);
	while (started < count && !rc) {
		rc = pthread_create(&threads[started], NULL, opener, b);
		started += !rc;
	}
	b->openers = started;
	if (started)
		watch(b);
	pthread_mutex_unlock(&b->lock);
	for (i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	return started ? 0 : -rc;
}

/* How many computations the mount runs at a time. */
static unsigned mount_jobs(const char *root)
{
	CLEANUP_BUF struct buf status = BUF_INIT;
	uint64_t jobs = 0;

	if (ctl_read(root, "status", &status) < 0 ||
	    json_u64(buf_cstr(&status), "jobs", &jobs) < 0 || !jobs)
		return 2;
	return (unsigned)MIN(jobs, (uint64_t)OPENERS_MAX);
}

static size_t count_to_do(const struct items *items)
{
	size_t i, n = 0;

	for (i = 0; i < items->count; i++)
		n += item_to_do(&items->list[i]);
	return n;
}

static void summary(const struct build *b, size_t total)
{
	char time[32];

	if (!isatty(STDERR_FILENO))
		return;
	duration_format(clock_mono_ns() - b->progress.started_ns, time,
			sizeof(time));
	fprintf(stderr, "%zu computed, %zu failed, %zu up to date; %s\n",
		total - b->progress.failed, b->progress.failed,
		b->items->count - total, time);
}

static int open_items(struct build *b, unsigned jobs)
{
	size_t total = count_to_do(b->items);
	unsigned count = jobs;
	int rc = 0;

	progress_init(&b->progress, total);
	if (total)
		b->progress.jobs = mount_jobs(b->items->list[0].root);
	if (!count && total)
		count = 2 * (unsigned)b->progress.jobs;
	sum_costs(b);
	count = MIN(count, (unsigned)OPENERS_MAX);
	if (count > total)
		count = (unsigned)total;
	if (count)
		rc = run_openers(b, count);
	if (rc < 0)
		return fail("no thread could be started: %s", err_name(rc));
	summary(b, total);
	return b->progress.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

int open_all(const struct items *items, unsigned jobs)
{
	struct build b = {.items = items,
			  .lock = PTHREAD_MUTEX_INITIALIZER,
			  .ended = PTHREAD_COND_INITIALIZER};

	return open_items(&b, jobs);
}
