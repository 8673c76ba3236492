/* tests/recipes/sandbox_fixture.h - run a command in a sandbox and wait. */
#ifndef TESTS_RECIPES_SANDBOX_FIXTURE_H
#define TESTS_RECIPES_SANDBOX_FIXTURE_H

#include "recipes/sandbox.h"

#include <pthread.h>

#define TEST_UID 12345

struct fixture {
	struct sandbox *s;
	char *dir;
	char out[256], err[256], scratch[256], inputs[256];
	struct sandbox_run run; /* what the next run takes */
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned ended;
	struct sandbox_status st; /* of the last that ended */
};

/* With a scratch, and an empty environment but for PATH. As an ordinary user
 * where `user` is set and the tests run as root. */
void fixture_init(struct fixture *f, bool user);
void fixture_done(struct fixture *f);

uint64_t fixture_start(struct fixture *f);
/* False when not that many runs have ended after 60 s. */
bool fixture_wait(struct fixture *f, unsigned ended);
void fixture_run(struct fixture *f, char *const *argv);
void fixture_sh(struct fixture *f, const char *script);

/* What a file holds; the caller frees. */
char *fixture_text(const char *path);
/* Processes of this machine that have `text` in their command line. */
unsigned processes_with(const char *text);
/* Those that are `sleep TIME`, not the shells that have it in their text. */
unsigned sleepers(const char *time);
/* Waits until there are none, at most `ms`. */
bool processes_gone(const char *text, unsigned ms);

/* A test that runs as root and as an ordinary user: name, name_as_user. */
#define PAIR(name) name, name##_as_user
#define BOTH(name)                                 \
	static void name##_body(struct fixture *); \
	START_TEST(name)                           \
	{                                          \
		struct fixture f;                  \
                                                   \
		fixture_init(&f, false);           \
		name##_body(&f);                   \
		fixture_done(&f);                  \
	}                                          \
	END_TEST                                   \
	START_TEST(name##_as_user)                 \
	{                                          \
		struct fixture f;                  \
                                                   \
		fixture_init(&f, true);            \
		name##_body(&f);                   \
		fixture_done(&f);                  \
	}                                          \
	END_TEST                                   \
	static void name##_body(struct fixture *f)

#endif
