/* core/schema.h - the tables of a store's database, and how they came to be.
 *
 * Migration i takes a database from user_version i to i + 1; each runs in one
 * transaction with the raised user_version. What was released is never edited:
 * a change to the tables is a new migration.
 */
#ifndef CORE_SCHEMA_H
#define CORE_SCHEMA_H

extern const char *const schema_migrations[];
extern const int schema_version; /* of the newest; how many there are */

#endif
