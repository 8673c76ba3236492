/* core/err.h - a message for a person: what, where, what to do; and the log.
 *
 * Functions return 0 or -errno. Where a person needs more than the number, a
 * last parameter `struct err *` takes a message; NULL is allowed everywhere
 * and means that nobody wants it.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include "core/macros.h"

struct err {
	char msg[1024];
};

/* Writes the message and returns rc, so that a failure is one line:
 * `return err_set(err, -EINVAL, "%s:%u: ...", file, line)`. */
int err_set(struct err *err, int rc, const char *fmt, ...) PRINTF(3, 4);

/* Puts "prefix: " before the message that is there. Returns rc. */
int err_prefix(struct err *err, int rc, const char *fmt, ...) PRINTF(3, 4);

/* A short lower-case text for -errno or errno ("no such file"), never NULL;
 * safe from any thread. */
const char *err_name(int rc);

/* LOG_NONE is a level to set, not one of a line. */
enum log_level { LOG_NONE = -1, LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Lines at or below the level go to standard error, each with one write(2).
 * The level is the only mutable global of the project. */
void log_set_level(enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_info(...)  log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)

#endif
