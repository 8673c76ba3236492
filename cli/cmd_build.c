/* Computing is asked of the mount in one question for all paths in it
 * (cli/ask.h); what cannot be asked for like that is opened (cli/openers.h).
 */
#include "cli/command.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "cli/ask.h"
#include "cli/mountpoint.h"
#include "cli/openers.h"
#include "cli/output.h"
#include "cli/report.h"
#include "core/clock.h"

/* A path that was given. */
struct given {
	char *root, *rel; /* the mount, and where in it */
	const char *shown;
	bool asked; /* already */
};

/* What a dry run lists. */
struct todo {
	char *state, *shown;
	size_t given;
};

struct build {
	struct where where;
	bool dry;
	unsigned jobs;
	int status;

	struct given *given;
	size_t ngiven;
	struct items items; /* what has to be opened */
	struct todo *todo;
	size_t ntodo, cap_todo;

	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t cond;
	struct progress progress;
	bool over; /* nobody draws any more */
};

/* --- what is given ---------------------------------------------------------
 */

static bool in_control_dir(const char *rel)
{
	return !strncmp(rel, ".deriva", 7) && (!rel[7] || rel[7] == '/');
}

/* Whether the path can be asked for; else it is walked and opened. */
static int take_path(struct build *b, const char *path)
{
	CLEANUP_PLACE struct place p = {0};
	struct given *g = &b->given[b->ngiven];
	int rc = where_place(&b->where, path, true, &p);

	if (rc < 0)
		return rc;
	if (in_control_dir(p.rel))
		return items_add(&b->items, &b->where, path);
	*g = (struct given){
		.root = steal(&p.root),
		.rel = steal(&p.rel),
		.shown = p.is_dir && !strcmp(path, ".") ? "" : path,
	};
	b->ngiven++;
	return 0;
}

static void build_done(struct build *b)
{
	size_t i;

	for (i = 0; i < b->ngiven; i++) {
		free(b->given[i].root);
		free(b->given[i].rel);
	}
	free(b->given);
	for (i = 0; i < b->ntodo; i++) {
		free(b->todo[i].state);
		free(b->todo[i].shown);
	}
	free(b->todo);
	items_done(&b->items);
}

/* How the user would write what lies at rel; to be freed. */
static char *shown_as(const struct build *b, const char *root, const char *rel,
		      size_t *ret_given)
{
	const struct given *g;
	size_t i, n;

	for (i = 0; i < b->ngiven; i++) {
		g = &b->given[i];
		n = strlen(g->rel);
		if (strcmp(g->root, root) || strncmp(g->rel, rel, n) ||
		    (n && rel[n] && rel[n] != '/'))
			continue;
		*ret_given = i;
		rel += n;
		return path_join(g->shown, rel + (*rel == '/' && n));
	}
	*ret_given = b->ngiven;
	return path_join(root, rel);
}

/* --- answers ---------------------------------------------------------------
 */

static size_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

static void begun(struct build *b, const struct answer *a)
{
	b->progress.total = number(a->field[1]);
	b->progress.known = number(a->field[3]);
	b->progress.rest_s = (double)number(a->field[4]) / 1000;
	b->progress.jobs = number(a->field[5]);
}

static void moved(struct build *b, const struct answer *a)
{
	b->progress.done = number(a->field[1]);
	b->progress.running = number(a->field[2]);
	b->progress.rest_s = (double)number(a->field[3]) / 1000;
}

static void add_todo(struct build *b, const char *state, const char *root,
		     const char *rel)
{
	struct todo *t;
	size_t cap;

	if (b->ntodo == b->cap_todo) {
		cap = MAX(2 * b->cap_todo, (size_t)64);
		t = reallocarray(b->todo, cap, sizeof(*t));
		if (!t) {
			b->status = fail("%s", err_name(-ENOMEM));
			return;
		}
		b->todo = t;
		b->cap_todo = cap;
	}
	t = &b->todo[b->ntodo];
	t->shown = shown_as(b, root, rel, &t->given);
	t->state = strdup(state);
	b->ntodo++;
}

static void summary(const struct build *b, const struct answer *a)
{
	char time[32];

	if (b->dry || !isatty(STDERR_FILENO))
		return;
	duration_format(clock_mono_ns() - b->progress.started_ns, time,
			sizeof(time));
	fprintf(stderr, "%s computed, %s failed, %s up to date; %s\n",
		a->field[1], a->field[2], a->field[3], time);
}

/* Whether that was the end. */
static bool take_answer(struct build *b, const char *root,
			const struct answer *a)
{
	CLEANUP_FREE char *shown = NULL;
	const char *word = a->field[0];
	size_t given;

	if (!strcmp(word, "total")) {
		begun(b, a);
	} else if (!strcmp(word, "moved")) {
		moved(b, a);
	} else if (!strcmp(word, "todo")) {
		add_todo(b, a->field[1], root, a->field[2]);
	} else if (!strcmp(word, "blocked") && b->dry) {
		add_todo(b, word, root, a->field[1]);
	} else if (!strcmp(word, "blocked")) {
		shown = shown_as(b, root, a->field[1], &given);
		report_blocked(&b->progress, shown ? shown : a->field[1]);
		b->status = EXIT_FAILURE;
	} else if (!strcmp(word, "failed")) {
		shown = shown_as(b, root, a->field[1], &given);
		report_failed(&b->progress, shown ? shown : a->field[1], root,
			      a->field[1], a->field[2]);
		b->status = EXIT_FAILURE;
	} else if (!strcmp(word, "end")) {
		progress_clear(&b->progress);
		summary(b, a);
		return true;
	}
	return false;
}

static void *draw(void *arg)
{
	struct build *b = arg;
	struct timespec until;

	pthread_mutex_lock(&b->lock);
	while (!b->over) {
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += NSEC_PER_SEC / 10;
		if (until.tv_nsec >= NSEC_PER_SEC) {
			until.tv_sec++;
			until.tv_nsec -= NSEC_PER_SEC;
		}
		pthread_cond_timedwait(&b->cond, &b->lock, &until);
		if (!b->over)
			progress_draw(&b->progress);
	}
	pthread_mutex_unlock(&b->lock);
	return NULL;
}

static int take_answers(struct build *b, const char *root, struct ask *ask)
{
	struct answer a;
	bool ended = false;
	int rc;

	while ((rc = ask_next(ask, &a)) > 0) {
		pthread_mutex_lock(&b->lock);
		ended = take_answer(b, root, &a);
		pthread_mutex_unlock(&b->lock);
		if (ended)
			return 0;
	}
	if (rc == 0)
		return fail("%s: the mount ended meanwhile", root);
	return fail("%s/.deriva/build: %s", root, err_name(rc));
}

static int ask_mount(struct build *b, const char *root, struct ask *ask)
{
	pthread_t thread;
	bool drawn;
	int rc;

	progress_init(&b->progress, 0);
	b->over = false;
	drawn = b->progress.terminal && !b->dry &&
		!pthread_create(&thread, NULL, draw, b);
	rc = take_answers(b, root, ask);
	if (!drawn)
		return rc;
	pthread_mutex_lock(&b->lock);
	b->over = true;
	pthread_cond_signal(&b->cond);
	pthread_mutex_unlock(&b->lock);
	pthread_join(thread, NULL);
	return rc;
}

/* --- the question ----------------------------------------------------------
 */

/* What cannot be asked for is opened. */
static int open_instead(struct build *b, const char *root)
{
	int status = EXIT_SUCCESS;
	size_t i;

	for (i = 0; i < b->ngiven; i++)
		if (!strcmp(b->given[i].root, root) &&
		    items_add(&b->items, &b->where,
			      *b->given[i].shown ? b->given[i].shown : ".") < 0)
			status = EXIT_FAILURE;
	return status;
}

/* All paths of one mount. */
static int ask_for(struct build *b, const char *root)
{
	CLEANUP_BUF struct buf paths = BUF_INIT;
	struct ask ask;
	char options[32];
	size_t i;
	int rc;

	snprintf(options, sizeof(options), "%s%s", b->dry ? "n" : "",
		 isatty(STDERR_FILENO) ? "p" : "");
	if (b->jobs)
		snprintf(options + strlen(options), 16, "%u", b->jobs);
	for (i = 0; i < b->ngiven; i++) {
		if (strcmp(b->given[i].root, root))
			continue;
		buf_add(&paths, b->given[i].rel, strlen(b->given[i].rel) + 1);
		b->given[i].asked = true;
	}
	rc = buf_err(&paths);
	if (rc >= 0)
		rc = ask_open(root, options, &paths, &ask);
	if (rc == -ENOENT || rc == -EACCES || rc == -EPERM)
		return open_instead(b, root);
	if (rc < 0)
		return fail("%s/.deriva/build: %s", root, err_name(rc));
	rc = ask_mount(b, root, &ask);
	ask_close(&ask);
	return rc;
}

static int ask_all(struct build *b)
{
	int status = EXIT_SUCCESS;
	size_t i;

	for (i = 0; i < b->ngiven; i++)
		if (!b->given[i].asked &&
		    ask_for(b, b->given[i].root) != EXIT_SUCCESS)
			status = EXIT_FAILURE;
	return status;
}

/* --- a dry run -------------------------------------------------------------
 */

static int in_order(const void *a, const void *b)
{
	const struct todo *x = a, *y = b;

	if (x->given != y->given)
		return x->given < y->given ? -1 : 1;
	return x->shown && y->shown ? strcmp(x->shown, y->shown) : 0;
}

static void list_one(const char *state, const char *shown)
{
	printf("%-8s", state);
	print_name(shown);
	putchar('\n');
}

static void list_all(struct build *b)
{
	size_t i;

	if (b->ntodo)
		qsort(b->todo, b->ntodo, sizeof(*b->todo), in_order);
	for (i = 0; i < b->ntodo; i++)
		if (b->todo[i].state && b->todo[i].shown)
			list_one(b->todo[i].state, b->todo[i].shown);
	for (i = 0; i < b->items.count; i++)
		if (item_to_do(&b->items.list[i]))
			list_one(state_name(b->items.list[i].state),
				 b->items.list[i].shown);
}

/* --- the command -----------------------------------------------------------
 */

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
			  .cond = PTHREAD_COND_INITIALIZER};
	int c, i;

	while ((c = next_option(&cmd_build, cli, argc, argv)) != -1)
		if (c == 'n')
			b.dry = true;
		else
			b.jobs = parse_jobs(optarg);
	count_operands(&cmd_build, argc, 1, -1);
	if (where_open(cli, &b.where) < 0)
		return EXIT_FAILURE;
	b.given = calloc((size_t)argc, sizeof(*b.given));
	if (!b.given)
		return fail("%s", err_name(-ENOMEM));
	for (i = optind; i < argc; i++)
		if (take_path(&b, argv[i]) < 0)
			b.status = EXIT_FAILURE;
	if (ask_all(&b) != EXIT_SUCCESS)
		b.status = EXIT_FAILURE;
	if (b.dry)
		list_all(&b);
	else if (b.items.count && open_all(&b.items, b.jobs) != EXIT_SUCCESS)
		b.status = EXIT_FAILURE;
	build_done(&b);
	return where_close(&b.where) ? EXIT_FAILURE : b.status;
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
