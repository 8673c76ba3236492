/* Verifying is reading .deriva/verify/PATH, which takes as long as the
 * computation does, by several at a time; or, without running anything, reading
 * all bytes of what is there.
 */
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/walk.h"
#include "core/clock.h"

#define READERS 16

enum verdict { OK, DIFFERENT, FAILED, UNUSABLE, DAMAGED, LEFT_OUT };

struct verify {
	struct items items;
	bool recompute, json;

	pthread_mutex_t lock; /* of what follows */
	size_t next;
	struct progress progress;
	size_t counts[LEFT_OUT + 1];
	bool any; /* printed, of JSON */
};

static const char *const words[] = {
	[OK] = "same",	       [DIFFERENT] = "different",
	[FAILED] = "failed",   [UNUSABLE] = "unusable",
	[DAMAGED] = "damaged", [LEFT_OUT] = "left out",
};

/* Every byte is compared with its address on the way. */
static int read_all(const char *path)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	CLEANUP_FREE char *buf = malloc(KIB(256));
	ssize_t n;

	if (fd < 0 || !buf)
		return fd < 0 ? -errno : -ENOMEM;
	do
		n = read(fd, buf, KIB(256));
	while (n > 0);
	return n < 0 ? -errno : 0;
}

static int ask(const struct item *it, struct buf *ret)
{
	CLEANUP_FREE char *name = path_join("verify", it->rel);

	return name ? ctl_read(it->root, name, ret) : -ENOMEM;
}

static enum verdict verdict_of(const char *json)
{
	CLEANUP_BUF struct buf word = BUF_INIT;

	if (json_string(json, "verdict", &word) < 0)
		return UNUSABLE;
	if (!strcmp(buf_cstr(&word), "same"))
		return OK;
	if (!strcmp(buf_cstr(&word), "different"))
		return DIFFERENT;
	return !strcmp(buf_cstr(&word), "failed") ? FAILED : UNUSABLE;
}

static void tell(const struct item *it, enum verdict v, const char *json)
{
	CLEANUP_BUF struct buf a = BUF_INIT, b = BUF_INIT, error = BUF_INIT;

	switch (v) {
	case DIFFERENT:
		if (json_string(json, "address", &a) < 0 ||
		    json_string(json, "other", &b) < 0)
			return;
		complain("%s: not reproducible: run again it made another "
			 "content; both are kept:\n    deriva cat %s\n    "
			 "deriva cat %s",
			 it->shown, buf_cstr(&a), buf_cstr(&b));
		break;
	case FAILED:
		if (json_string(json, "error", &error) >= 0)
			complain("%s: not reproducible: run again it failed: "
				 "%s",
				 it->shown, buf_cstr(&error));
		break;
	case UNUSABLE:
		complain("%s: there is no result to compare with: reading it "
			 "fails (deriva output says why)",
			 it->shown);
		break;
	case DAMAGED:
		complain("%s: cannot be read whole: %s (deriva fsck says more)",
			 it->shown, json);
		break;
	default:
		break;
	}
}

static void add_json(struct verify *v, const struct item *it, enum verdict d,
		     const char *json)
{
	CLEANUP_BUF struct buf out = BUF_INIT, a = BUF_INIT;
	static const char *const keys[] = {"address", "other", "error"};
	uint64_t times;
	size_t i;

	buf_str(&out, v->any ? ",\n{\"path\":" : "{\"path\":");
	buf_json(&out, it->rel, strlen(it->rel));
	buf_fmt(&out, ",\"verdict\":\"%s\"", words[d]);
	for (i = 0; d != DAMAGED && i < ARRAY_LEN(keys); i++) {
		buf_reset(&a);
		if (json_string(json, keys[i], &a) < 0)
			continue;
		buf_fmt(&out, ",\"%s\":", keys[i]);
		buf_json(&out, buf_cstr(&a), a.len);
	}
	if (json_u64(json, "times", &times) >= 0)
		buf_fmt(&out, ",\"times\":%llu", (unsigned long long)times);
	buf_str(&out, "}");
	print_buf(&out);
	v->any = true;
}

/* Without the lock but for the end. */
static void check(struct verify *v, const struct item *it)
{
	CLEANUP_BUF struct buf json = BUF_INIT;
	enum verdict d = OK;
	int rc;

	if (v->recompute) {
		rc = ask(it, &json);
		d = rc < 0 ? UNUSABLE : verdict_of(buf_cstr(&json));
	} else if (it->state == STATE_NEW || it->state == STATE_STALE ||
		   it->state == STATE_DROPPED || it->state == STATE_BLOCKED) {
		d = LEFT_OUT; /* nothing is there to be checked */
	} else {
		rc = read_all(it->path);
		if (rc < 0) {
			d = it->state == STATE_FAILED ? UNUSABLE : DAMAGED;
			buf_str(&json, err_name(rc));
		}
	}
	pthread_mutex_lock(&v->lock);
	v->counts[d]++;
	v->progress.done++;
	v->progress.failed += d != OK && d != LEFT_OUT;
	progress_clear(&v->progress);
	if (v->json)
		add_json(v, it, d, buf_cstr(&json));
	else
		tell(it, d, buf_cstr(&json));
	progress_draw(&v->progress);
	pthread_mutex_unlock(&v->lock);
}

static void *reader(void *ctx)
{
	struct verify *v = ctx;
	const struct item *it;

	pthread_mutex_lock(&v->lock);
	while (v->next < v->items.count) {
		it = &v->items.list[v->next++];
		pthread_mutex_unlock(&v->lock);
		if (it->state != STATE_SOURCE)
			check(v, it);
		pthread_mutex_lock(&v->lock);
	}
	pthread_mutex_unlock(&v->lock);
	return NULL;
}

static size_t count_derived(const struct items *items)
{
	size_t i, n = 0;

	for (i = 0; i < items->count; i++)
		n += items->list[i].state != STATE_SOURCE;
	return n;
}

static void summary(const struct verify *v)
{
	static const char *const plain[] = {
		[OK] = "whole",	       [DIFFERENT] = "different",
		[FAILED] = "failed",   [UNUSABLE] = "without a result",
		[DAMAGED] = "damaged", [LEFT_OUT] = "not there",
	};
	const char *comma = "";
	size_t i;

	for (i = 0; i < ARRAY_LEN(plain); i++) {
		if (!v->counts[i])
			continue;
		printf("%s%zu %s", comma, v->counts[i],
		       !i && v->recompute ? "the same" : plain[i]);
		comma = ", ";
	}
	if (*comma)
		putchar('\n');
}

static int check_all(struct verify *v)
{
	pthread_t threads[READERS];
	unsigned n = 0, i;
	int rc = 0;

	progress_init(&v->progress, count_derived(&v->items));
	if (v->json)
		putchar('[');
	while (n < READERS && n < v->items.count && !rc) {
		rc = pthread_create(&threads[n], NULL, reader, v);
		n += !rc;
	}
	for (i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	progress_clear(&v->progress);
	if (v->json)
		puts("]");
	else
		summary(v);
	if (rc && !n)
		return fail("no thread could be started: %s", err_name(-rc));
	return v->progress.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	struct verify v = {.lock = PTHREAD_MUTEX_INITIALIZER};
	int i, status = EXIT_SUCCESS;
	struct where where;

	while (next_option(&cmd_verify, cli, argc, argv) != -1)
		v.recompute = true;
	v.json = cli->json;
	count_operands(&cmd_verify, argc, 1, -1);
	if (where_open(cli, &where) < 0)
		return EXIT_FAILURE;
	for (i = optind; i < argc; i++)
		if (items_add(&v.items, &where, argv[i]) < 0)
			status = EXIT_FAILURE;
	if (check_all(&v) != EXIT_SUCCESS)
		status = EXIT_FAILURE;
	items_done(&v.items);
	return where_close(&where) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {
	{"recompute", no_argument, NULL, 'r'},
	OPT_JSON,
	OPT_STORE,
	OPT_END,
};

const struct command cmd_verify = {
	.name = "verify",
	.args = "[--recompute] [--json] [--store DIR] PATH...",
	.summary = "check results, by making them again",
	.help = "Without --recompute: reads every byte of what the derived "
		"files among PATHs hold\n(and of all below a directory) and "
		"compares it with its address. With it: runs\neach of their "
		"computations again, and compares what comes out. One "
		"that\ndiffers is not reproducible: it is named with the "
		"addresses of both contents,\nwhich are kept and never "
		"dropped; deriva why tells of it. What a file holds\nstays "
		"the same.\n\n"
		"  --recompute  run the computations again\n"
		"  --json       an object for each file: path, verdict (same, "
		"different, failed,\n"
		"               unusable, damaged, left out), address, other, "
		"times\n"
		"  --store DIR  in that store, PATHs from its root\n\n"
		"Exit status: 0 all are as they were, 1 something is not.\n",
	.shorts = "r",
	.longs = longs,
	.run = run,
};
