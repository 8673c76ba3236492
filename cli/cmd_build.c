/* Building is opening: the mount computes what is opened, once for all who
 * wait, and in as many jobs as it has. Twice as many openers keep it busy while
 * some of them wait for inputs that others compute.
 */
#include "cli/command.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/walk.h"
#include "core/clock.h"

#define OPENERS_MAX 256
#define LAST_LINES  10

struct build {
	struct items items;
	struct where where;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t ended; /* an opener has */
	size_t next;	      /* item */
	unsigned openers;     /* alive */
	struct progress progress;
};

/* The last lines of what a run printed, indented. */
static void add_output(struct buf *to, const struct item *it)
{
	CLEANUP_BUF struct buf text = BUF_INIT;
	CLEANUP_FREE char *name = NULL;
	const char *start, *p;
	int lines = 0;

	if (asprintf(&name, "output/%s", it->rel) < 0 ||
	    ctl_read(it->root, name, &text) < 0)
		return;
	while (text.len && text.data[text.len - 1] == '\n')
		text.data[--text.len] = '\0';
	start = buf_cstr(&text);
	for (p = start + text.len; p > start; p--)
		if (p[-1] == '\n' && ++lines == LAST_LINES)
			break;
	while (*p) {
		buf_str(to, "\n    ");
		buf_add(to, p, strcspn(p, "\n"));
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
}

/* error: from open(2); 0 for a blocked recipe. Under the lock. */
static void report(struct build *b, const struct item *it, int error)
{
	CLEANUP_BUF struct buf why = BUF_INIT, text = BUF_INIT;
	size_t n;

	if (attr_get(it->path, "error", &why) < 0 || !why.len)
		buf_str(&why, error ? err_name(error)
				    : "an ordinary file of that name lies "
				      "there");
	for (n = why.len; n > 0 && why.data[n - 1] == '\n'; n--)
		why.data[n - 1] = '\0';
	buf_fmt(&text, "%s: %s", it->shown, buf_cstr(&why));
	if (error)
		add_output(&text, it);
	progress_clear(&b->progress);
	complain("%s", buf_cstr(&text));
	b->progress.failed++;
}

static bool to_do(const struct item *it)
{
	return it->state != STATE_SOURCE && it->state != STATE_FRESH;
}

/* The next item that needs work, or NULL. Under the lock. */
static const struct item *next_item(struct build *b)
{
	while (b->next < b->items.count && !to_do(&b->items.list[b->next]))
		b->next++;
	return b->next < b->items.count ? &b->items.list[b->next++] : NULL;
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
	for (i = 0; i < b->items.count; i++) {
		if (!to_do(&b->items.list[i]))
			continue;
		cost = cost_of(&b->items.list[i]);
		b->progress.rest_s += cost;
		b->progress.known += cost > 0;
	}
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
			report(b, it, 0);
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
		n += to_do(&items->list[i]);
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
		b->items.count - total, time);
}

static int build_all(struct build *b, unsigned jobs)
{
	size_t total = count_to_do(&b->items);
	unsigned count = jobs;
	int rc = 0;

	progress_init(&b->progress, total);
	if (total)
		b->progress.jobs = mount_jobs(b->items.list[0].root);
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

static void list_all(const struct items *items)
{
	size_t i;

	for (i = 0; i < items->count; i++) {
		if (!to_do(&items->list[i]))
			continue;
		printf("%-8s", state_name(items->list[i].state));
		print_name(items->list[i].shown);
		putchar('\n');
	}
}

static unsigned parse_jobs(const char *text)
{
	unsigned long n;
	char *end;

	n = strtoul(text, &end, 10);
	if (*end || end == text || n < 1 || n > OPENERS_MAX)
		usage_error(&cmd_build,
			    "-j wants a number from 1 to %d, not "
			    "\"%s\"",
			    OPENERS_MAX, text);
	return (unsigned)n;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct build b = {.lock = PTHREAD_MUTEX_INITIALIZER,
			  .ended = PTHREAD_COND_INITIALIZER};
	int c, i, status = EXIT_SUCCESS;
	bool dry = false;
	unsigned jobs = 0;

	while ((c = next_option(&cmd_build, cli, argc, argv)) != -1)
		if (c == 'n')
			dry = true;
		else
			jobs = parse_jobs(optarg);
	count_operands(&cmd_build, argc, 1, -1);
	if (where_open(cli, &b.where) < 0)
		return EXIT_FAILURE;
	for (i = optind; i < argc; i++)
		if (items_add(&b.items, &b.where, argv[i]) < 0)
			status = EXIT_FAILURE;
	if (dry)
		list_all(&b.items);
	else if (build_all(&b, jobs) != EXIT_SUCCESS)
		status = EXIT_FAILURE;
	items_done(&b.items);
	return where_close(&b.where) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {
	{"dry-run", no_argument, NULL, 'n'},
	{"jobs", required_argument, NULL, 'j'},
	OPT_STORE,
	OPT_END,
};

const struct command cmd_build = {
	.name = "build",
	.args = "[-n] [-j N] [--store DIR] PATH...",
	.summary = "compute derived files now, in parallel",
	.help = "Computes each derived file that a PATH names, and all of them "
		"below a PATH that\nis a directory. What failed is named with "
		"the end of what it printed.\n\n"
		"  -n, --dry-run   only list what would be computed, with its "
		"state: new, stale,\n"
		"                  dropped, failed, running or blocked\n"
		"  -j, --jobs N    ask for N at a time (default: twice the "
		"mount's jobs)\n"
		"  --store DIR     in that store, PATHs from its root\n\n"
		"Exit status: 0 all are there, 1 something failed.\n",
	.shorts = "nj:",
	.longs = longs,
	.run = run,
};
