/* tests/recipes/eval_fixture.h - evaluation over a real store, without a
 * mount: the host is made up, and only built-in functions run.
 */
#ifndef TESTS_RECIPES_EVAL_FIXTURE_H
#define TESTS_RECIPES_EVAL_FIXTURE_H

#include "tests/lib/harness.h"

#include <pthread.h>

#include "recipes/eval.h"

/* An inode that somebody writes: settling it calls back, without any lock. */
struct writer {
	uint64_t ino;
	void (*settle)(void *ctx);
	void *ctx;
	unsigned settled;
};

struct lab {
	char *dir;
	struct store *store;
	struct db *db;
	struct ns *ns;
	struct results *results;
	struct eval *ev;
	struct writer writer;
	unsigned stale; /* how often the host was told so */
};

void lab_setup(struct lab *l);
void lab_teardown(struct lab *l);
#define LAB CLEANUP(lab_teardown) struct lab

/* Makes a file, or gives it another content, and tells the evaluation. */
uint64_t lab_write(struct lab *l, uint64_t dir, const char *name,
		   const char *text);
/* The same with that many zero bytes: a sha256 of them takes its time. */
void lab_write_zeros(struct lab *l, const char *name, uint64_t n);
uint64_t lab_mkdir(struct lab *l, uint64_t dir, const char *name);
void lab_symlink(struct lab *l, uint64_t dir, const char *name,
		 const char *target);
void lab_unlink(struct lab *l, uint64_t dir, const char *name);
/* Owner and mode. */
void lab_own(struct lab *l, uint64_t ino, uint32_t uid, uint32_t mode);

/* What came of a question. */
struct asked {
	struct lab *lab;
	struct eval_wait *wait;
	bool done;
	int rc;
	struct eval_value value;
	pthread_mutex_t lock;
	pthread_cond_t cond;
};
/* Asks, and returns whether the answer was there at once. */
bool lab_ask(struct lab *l, struct asked *a, uint64_t at, const char *name,
	     bool dry);
void lab_await(struct asked *a);
void lab_cancel(struct asked *a);

/* Asks and waits. */
int lab_value(struct lab *l, uint64_t at, const char *name,
	      struct eval_value *ret);
/* The content of a name at a moment, which can be had. */
void lab_expect(struct lab *l, uint64_t at, const char *name, const char *text);
/* The name fails with that errno, and says something of that kind. */
void lab_expect_error(struct lab *l, const char *name, int error,
		      const char *words);
/* Computations that were run so far. */
uint64_t lab_runs(struct lab *l);
unsigned lab_running(struct lab *l);
/* Waits until that many run. */
void lab_until_running(struct lab *l, unsigned n);
bool lab_current(struct lab *l, const char *name);

#endif
