#include "core/schema.h"

#include "core/macros.h"

/* Every table of the namespace has a branch; 1 is `main`. Change numbers (born,
 * died, seq) count all changes of a store, whatever the branch.
 *
 * entry.node with its two indexes is a relational interval tree, explained in
 * core/ns_past.c. change.dir and dir2 are the directories whose names a change
 * touched: the modification time of a directory in the past; where it touched
 * more, change_more has the others. orphan holds inodes without a name that a
 * living process may have open. */

/* clang-format off */
const char *const schema_migrations[] = {
	/* to version 1: the namespace and its history */
	"CREATE TABLE branch("
	"  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	"  parent INTEGER, forked_at INTEGER) STRICT;"
	"INSERT INTO branch(id, name) VALUES (1, 'main');"

	"CREATE TABLE change("
	"  seq INTEGER PRIMARY KEY, branch INTEGER NOT NULL,"
	"  time INTEGER NOT NULL, op INTEGER NOT NULL,"
	"  uid INTEGER NOT NULL, pid INTEGER NOT NULL,"
	"  program TEXT, message TEXT, dir INTEGER, dir2 INTEGER) STRICT;"
	"CREATE INDEX change_dir ON change(branch, dir, seq)"
	"  WHERE dir IS NOT NULL;"
	"CREATE INDEX change_dir2 ON change(branch, dir2, seq)"
	"  WHERE dir2 IS NOT NULL;"

	"CREATE TABLE inode("
	"  branch INTEGER NOT NULL, ino INTEGER NOT NULL,"
	"  mode INTEGER NOT NULL, nlink INTEGER NOT NULL,"
	"  uid INTEGER NOT NULL, gid INTEGER NOT NULL,"
	"  rdev INTEGER NOT NULL, size INTEGER NOT NULL,"
	"  atime INTEGER NOT NULL, mtime INTEGER NOT NULL,"
	"  ctime INTEGER NOT NULL, address BLOB, version INTEGER NOT NULL,"
	"  PRIMARY KEY(branch, ino)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE entry("
	"  id INTEGER PRIMARY KEY, branch INTEGER NOT NULL,"
	"  parent INTEGER NOT NULL, name BLOB NOT NULL,"
	"  ino INTEGER NOT NULL, born INTEGER NOT NULL, died INTEGER,"
	"  node INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX entry_present ON entry(branch, parent, name)"
	"  WHERE died IS NULL;"
	"CREATE INDEX entry_past ON entry(branch, parent, name, born)"
	"  WHERE died IS NOT NULL;"
	"CREATE INDEX entry_ino ON entry(branch, ino, died);"
	"CREATE INDEX entry_born ON entry(branch, parent, node, born);"
	"CREATE INDEX entry_died ON entry(branch, parent, node, died)"
	"  WHERE died IS NOT NULL;"

	"CREATE TABLE version("
	"  branch INTEGER NOT NULL, ino INTEGER NOT NULL,"
	"  born INTEGER NOT NULL, content INTEGER NOT NULL,"
	"  mode INTEGER NOT NULL, uid INTEGER NOT NULL,"
	"  gid INTEGER NOT NULL, rdev INTEGER NOT NULL,"
	"  size INTEGER NOT NULL, mtime INTEGER NOT NULL,"
	"  address BLOB, target BLOB,"
	"  PRIMARY KEY(branch, ino, born)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX version_born ON version(branch, born);"

	"CREATE TABLE xattr("
	"  branch INTEGER NOT NULL, ino INTEGER NOT NULL,"
	"  name BLOB NOT NULL, born INTEGER NOT NULL, died INTEGER,"
	"  value BLOB NOT NULL,"
	"  PRIMARY KEY(branch, ino, name, born)) STRICT, WITHOUT ROWID;"
	"CREATE UNIQUE INDEX xattr_present ON xattr(branch, ino, name)"
	"  WHERE died IS NULL;"

	"CREATE TABLE orphan("
	"  branch INTEGER NOT NULL, ino INTEGER NOT NULL,"
	"  owner TEXT NOT NULL,"
	"  PRIMARY KEY(branch, ino)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE counter("
	"  id INTEGER PRIMARY KEY CHECK (id = 1),"
	"  next_seq INTEGER NOT NULL, next_ino INTEGER NOT NULL,"
	"  files INTEGER NOT NULL, dirs INTEGER NOT NULL,"
	"  links INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	"  changes INTEGER NOT NULL, versions INTEGER NOT NULL) STRICT;"
	"INSERT INTO counter VALUES (1, 1, 1, 0, 0, 0, 0, 0, 0);"

	"CREATE TABLE setting("
	"  key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;"

	"CREATE TABLE journal("
	"  id INTEGER PRIMARY KEY CHECK (id = 1),"
	"  address BLOB NOT NULL, seq INTEGER NOT NULL) STRICT;"

	/* computations and what they gave */
	"CREATE TABLE recipe("
	"  address BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;"

	"CREATE TABLE result("
	"  recipe BLOB PRIMARY KEY, error INTEGER NOT NULL,"
	"  executable INTEGER NOT NULL, reproducible INTEGER NOT NULL,"
	"  address BLOB, size INTEGER NOT NULL, wall INTEGER NOT NULL,"
	"  cpu INTEGER NOT NULL, memory INTEGER NOT NULL,"
	"  time INTEGER NOT NULL, text BLOB, text_size INTEGER NOT NULL,"
	"  uses INTEGER NOT NULL, last_use INTEGER NOT NULL,"
	"  message TEXT) STRICT;"

	"CREATE TABLE derived("
	"  branch INTEGER NOT NULL, dir INTEGER NOT NULL,"
	"  name BLOB NOT NULL, seq INTEGER NOT NULL,"
	"  recipe BLOB NOT NULL, error INTEGER NOT NULL, address BLOB,"
	"  size INTEGER NOT NULL, executable INTEGER NOT NULL,"
	"  ran INTEGER NOT NULL, since INTEGER NOT NULL,"
	"  last INTEGER NOT NULL, before BLOB,"
	"  PRIMARY KEY(branch, dir, name, seq)) STRICT, WITHOUT ROWID;"

	/* packs and where each object lies */
	"CREATE TABLE pack("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name BLOB UNIQUE NOT NULL) STRICT;"
	"CREATE TABLE object("
	"  addr BLOB PRIMARY KEY, kind INTEGER NOT NULL,"
	"  codec INTEGER NOT NULL, pack INTEGER NOT NULL,"
	"  offset INTEGER NOT NULL, stored INTEGER NOT NULL,"
	"  raw INTEGER NOT NULL) STRICT, WITHOUT ROWID;",

	/* to version 2: collection. What is `doomed` will be collected, and no
	 * writer takes it for an object that is there; of what is `gone` or
	 * `dropped` the bytes are not kept. collection.state is enum
	 * collection. Totals are kept as rows come and go. */
	"ALTER TABLE object ADD COLUMN doomed INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX object_doomed ON object(addr) WHERE doomed <> 0;"
	"CREATE TABLE object_total("
	"  id INTEGER PRIMARY KEY CHECK (id = 1), objects INTEGER NOT NULL,"
	"  raw INTEGER NOT NULL, stored INTEGER NOT NULL) STRICT;"
	"INSERT INTO object_total SELECT 1, count(*), coalesce(sum(raw), 0),"
	"  coalesce(sum(stored), 0) FROM object;"
	"CREATE TABLE collection("
	"  id INTEGER PRIMARY KEY CHECK (id = 1), state INTEGER NOT NULL,"
	"  age INTEGER NOT NULL, ended INTEGER NOT NULL) STRICT;"
	"INSERT INTO collection VALUES (1, 0, 0, 0);"

	"ALTER TABLE version ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE derived ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX derived_seq ON derived(seq);"
	"ALTER TABLE result ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE result ADD COLUMN keep INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE result ADD COLUMN worth INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX result_worth ON result(worth) WHERE dropped = 0"
	"  AND error = 0 AND reproducible <> 0 AND keep <> 1;"
	"CREATE TABLE result_total("
	"  id INTEGER PRIMARY KEY CHECK (id = 1), results INTEGER NOT NULL,"
	"  failures INTEGER NOT NULL, bytes INTEGER NOT NULL,"
	"  kept INTEGER NOT NULL, uses INTEGER NOT NULL,"
	"  wall INTEGER NOT NULL, saved INTEGER NOT NULL) STRICT;"
	"INSERT INTO result_total SELECT 1, count(*),"
	"  coalesce(sum(error <> 0), 0), coalesce(sum(size), 0),"
	"  coalesce(sum(size), 0), coalesce(sum(uses), 0),"
	"  coalesce(sum(wall), 0), coalesce(sum(uses * wall), 0) FROM result;"
	"CREATE TRIGGER result_added AFTER INSERT ON result BEGIN"
	"  UPDATE result_total SET results = results + 1,"
	"  failures = failures + (new.error <> 0), bytes = bytes + new.size,"
	"  kept = kept + new.size * (new.dropped = 0), uses = uses + new.uses,"
	"  wall = wall + new.wall, saved = saved + new.uses * new.wall; END;"
	"CREATE TRIGGER result_removed AFTER DELETE ON result BEGIN"
	"  UPDATE result_total SET results = results - 1,"
	"  failures = failures - (old.error <> 0), bytes = bytes - old.size,"
	"  kept = kept - old.size * (old.dropped = 0), uses = uses - old.uses,"
	"  wall = wall - old.wall, saved = saved - old.uses * old.wall; END;"
	"CREATE TRIGGER result_changed AFTER UPDATE ON result BEGIN"
	"  UPDATE result_total SET"
	"  failures = failures + (new.error <> 0) - (old.error <> 0),"
	"  bytes = bytes + new.size - old.size,"
	"  kept = kept + new.size * (new.dropped = 0)"
	"    - old.size * (old.dropped = 0),"
	"  uses = uses + new.uses - old.uses,"
	"  wall = wall + new.wall - old.wall,"
	"  saved = saved + new.uses * new.wall - old.uses * old.wall; END;"

	"CREATE TABLE snapshot("
	"  name TEXT PRIMARY KEY, seq INTEGER NOT NULL,"
	"  time INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE TABLE pin("
	"  path BLOB PRIMARY KEY, dir INTEGER NOT NULL, name BLOB NOT NULL,"
	"  ino INTEGER NOT NULL, seq INTEGER NOT NULL,"
	"  time INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX pin_name ON pin(dir, name);",
	/* to version 3: names with a percent sign, found without a look at the others */
	"CREATE INDEX entry_percent ON entry(branch, parent, born)"
	"  WHERE instr(name, x'25') > 0;",

	/* to version 4: what is on the disk for certain, to tell after a crash
	 * what may be missing: of a pack the end of what rows refer to and of
	 * what was synced; of the history the last change, with the journals
	 * of it and of the batches since */
	"ALTER TABLE pack ADD COLUMN extent INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE pack ADD COLUMN durable INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE journal ADD COLUMN durable_seq INTEGER NOT NULL"
	"  DEFAULT 0;"
	"CREATE TABLE batch("
	"  last INTEGER PRIMARY KEY, address BLOB NOT NULL) STRICT;"
	"UPDATE journal SET durable_seq = seq;"
	"INSERT INTO batch SELECT seq, address FROM journal;",

	/* to version 5: what runs with observed inputs saw (core/observed.h),
	 * and what others left unread */
	"CREATE TABLE observed("
	"  next BLOB PRIMARY KEY, state BLOB NOT NULL,"
	"  question BLOB NOT NULL, answer BLOB NOT NULL)"
	"  STRICT, WITHOUT ROWID;"
	"CREATE INDEX observed_state ON observed(state, question);"
	"CREATE TABLE unread("
	"  recipe BLOB NOT NULL, path BLOB NOT NULL,"
	"  PRIMARY KEY(recipe, path)) STRICT, WITHOUT ROWID;",

	/* to version 6: bytes of outputs: of a directory, what it holds; -1 as
	 * long as nobody has looked, -2 when that was in vain */
	"ALTER TABLE result ADD COLUMN bytes INTEGER NOT NULL DEFAULT -1;"
	"DROP TRIGGER result_added; DROP TRIGGER result_removed;"
	"DROP TRIGGER result_changed;"
	"UPDATE result SET bytes = size WHERE executable <> 2;"
	"UPDATE result SET worth = CAST(min(1e16, max(0, wall) * 1024.0"
	"  * (1 + uses) / max(1, bytes)) AS INTEGER);"
	"CREATE INDEX result_unknown ON result(recipe) WHERE bytes = -1"
	"  AND dropped = 0;"
	"UPDATE result_total SET (bytes, kept) = (SELECT"
	"  coalesce(sum(max(bytes, 0)), 0),"
	"  coalesce(sum(max(bytes, 0) * (dropped = 0)), 0) FROM result);"
	"CREATE TRIGGER result_added AFTER INSERT ON result BEGIN"
	"  UPDATE result_total SET results = results + 1,"
	"  failures = failures + (new.error <> 0),"
	"  bytes = bytes + max(new.bytes, 0),"
	"  kept = kept + max(new.bytes, 0) * (new.dropped = 0),"
	"  uses = uses + new.uses, wall = wall + new.wall,"
	"  saved = saved + new.uses * new.wall; END;"
	"CREATE TRIGGER result_removed AFTER DELETE ON result BEGIN"
	"  UPDATE result_total SET results = results - 1,"
	"  failures = failures - (old.error <> 0),"
	"  bytes = bytes - max(old.bytes, 0),"
	"  kept = kept - max(old.bytes, 0) * (old.dropped = 0),"
	"  uses = uses - old.uses, wall = wall - old.wall,"
	"  saved = saved - old.uses * old.wall; END;"
	"CREATE TRIGGER result_changed AFTER UPDATE ON result BEGIN"
	"  UPDATE result_total SET"
	"  failures = failures + (new.error <> 0) - (old.error <> 0),"
	"  bytes = bytes + max(new.bytes, 0) - max(old.bytes, 0),"
	"  kept = kept + max(new.bytes, 0) * (new.dropped = 0)"
	"    - max(old.bytes, 0) * (old.dropped = 0),"
	"  uses = uses + new.uses - old.uses,"
	"  wall = wall + new.wall - old.wall,"
	"  saved = saved + new.uses * new.wall - old.uses * old.wall; END;",

	/* to version 7: what of the machine a result was made with (a text
	 * that many share; 0: not noted), and which recipe files are eager */
	"CREATE TABLE machine("
	"  id INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL) STRICT;"
	"ALTER TABLE result ADD COLUMN machine INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE eager("
	"  dir INTEGER NOT NULL, name BLOB NOT NULL,"
	"  PRIMARY KEY(dir, name)) STRICT, WITHOUT ROWID;",

	/* to version 8: names of recipes, found without a look at the others;
	 * of several outputs of one run, each of which is a result of its own,
	 * which run and which output */
	"CREATE INDEX entry_recipe ON entry(branch, parent, born)"
	"  WHERE substr(name, -7) = x'2e726563697065';"
	"CREATE TABLE output("
	"  address BLOB PRIMARY KEY, recipe BLOB NOT NULL,"
	"  name TEXT NOT NULL) STRICT, WITHOUT ROWID;",

	/* to version 9: journals have what is kept and let go of, too; a row in
	 * `untold` says that there is more of it here (core/untold.h).
	 * version.gone is a change number from now on */
	"CREATE TABLE untold("
	"  id INTEGER PRIMARY KEY CHECK (id = 1)) STRICT;"
	"INSERT INTO untold SELECT 1 WHERE EXISTS (SELECT 1 FROM pin)"
	"  OR EXISTS (SELECT 1 FROM snapshot)"
	"  OR EXISTS (SELECT 1 FROM setting)"
	"  OR EXISTS (SELECT 1 FROM version WHERE gone <> 0);",

	/* to version 10: results that were made a second time; `other` is an
	 * output that came out otherwise, and is kept */
	"CREATE TABLE verified("
	"  recipe BLOB PRIMARY KEY, times INTEGER NOT NULL,"
	"  time INTEGER NOT NULL, other BLOB, other_time INTEGER NOT NULL,"
	"  other_kind INTEGER NOT NULL, other_size INTEGER NOT NULL,"
	"  message TEXT) STRICT;",

	/* to version 11: what is remembered of the Merkle log, and the heads
	 * of it that were signed (core/tiles.h) */
	"CREATE TABLE tile("
	"  level INTEGER NOT NULL, pos INTEGER NOT NULL, hash BLOB NOT NULL,"
	"  seq INTEGER NOT NULL, journal BLOB NOT NULL, leaf INTEGER NOT NULL,"
	"  PRIMARY KEY(level, pos)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX tile_seq ON tile(seq, pos) WHERE level = 1;"
	"CREATE TABLE head("
	"  size INTEGER PRIMARY KEY, root BLOB NOT NULL, seq INTEGER NOT NULL,"
	"  time INTEGER NOT NULL, key BLOB NOT NULL,"
	"  signature BLOB NOT NULL) STRICT;",

	/* to version 12: the directories that a change touches, from the third
	 * on; and up to where one line of work was merged into another */
	"CREATE TABLE change_more("
	"  branch INTEGER NOT NULL, dir INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL,"
	"  PRIMARY KEY(branch, dir, seq)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX change_more_seq ON change_more(seq, dir);"
	"CREATE TABLE merged("
	"  seq INTEGER PRIMARY KEY, branch INTEGER NOT NULL,"
	"  source INTEGER NOT NULL, upto INTEGER NOT NULL) STRICT;",

	/* to version 13: branches beside main: the changes that made and
	 * removed one, what it holds; of a pin, whose it is */
	"ALTER TABLE branch ADD COLUMN born INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE branch ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE branch ADD COLUMN files INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE branch ADD COLUMN dirs INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE branch ADD COLUMN links INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE branch ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;"
	"CREATE TABLE pin_new("
	"  branch INTEGER NOT NULL DEFAULT 1, path BLOB NOT NULL,"
	"  dir INTEGER NOT NULL, name BLOB NOT NULL, ino INTEGER NOT NULL,"
	"  seq INTEGER NOT NULL, time INTEGER NOT NULL,"
	"  PRIMARY KEY(branch, path)) STRICT, WITHOUT ROWID;"
	"INSERT INTO pin_new SELECT 1, path, dir, name, ino, seq, time"
	"  FROM pin;"
	"DROP TABLE pin; ALTER TABLE pin_new RENAME TO pin;"
	"CREATE INDEX pin_name ON pin(dir, name);",

	/* to version 14: files that were closed and wait to be taken in
	 * (core/sealed.h) */
	"CREATE TABLE sealed("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL,"
	"  taken INTEGER NOT NULL, name TEXT UNIQUE NOT NULL) STRICT;",

	/* to version 15: values of journals that were forgotten: in place of a clear
	 * object there is another; `done` when the rows heed it, too; and
	 * whether a collection has to free all that nothing needs */
	"CREATE TABLE forgotten("
	"  old BLOB PRIMARY KEY, now BLOB NOT NULL, journal BLOB NOT NULL,"
	"  seq INTEGER NOT NULL, done INTEGER NOT NULL)"
	"  STRICT, WITHOUT ROWID;"
	"CREATE INDEX forgotten_todo ON forgotten(seq) WHERE done = 0;"
	"ALTER TABLE collection ADD COLUMN purge INTEGER NOT NULL DEFAULT 0;",

	/* to version 16: the number of a branch is never given out again, also
	 * when its row has gone; and of an eager recipe, whose it is */
	"CREATE TABLE branch_new("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
	"  parent INTEGER, forked_at INTEGER,"
	"  born INTEGER NOT NULL DEFAULT 0,"
	"  removed INTEGER NOT NULL DEFAULT 0,"
	"  files INTEGER NOT NULL DEFAULT 0, dirs INTEGER NOT NULL DEFAULT 0,"
	"  links INTEGER NOT NULL DEFAULT 0,"
	"  bytes INTEGER NOT NULL DEFAULT 0) STRICT;"
	"INSERT INTO branch_new SELECT id, name, parent, forked_at, born,"
	"  removed, files, dirs, links, bytes FROM branch;"
	"DROP TABLE branch; ALTER TABLE branch_new RENAME TO branch;"
	"UPDATE sqlite_sequence SET seq = max(seq, (SELECT"
	"  coalesce(max(branch), 1) FROM change)) WHERE name = 'branch';"
	"CREATE TABLE eager_new("
	"  branch INTEGER NOT NULL DEFAULT 1, dir INTEGER NOT NULL,"
	"  name BLOB NOT NULL, PRIMARY KEY(branch, dir, name))"
	"  STRICT, WITHOUT ROWID;"
	"INSERT INTO eager_new SELECT 1, dir, name FROM eager;"
	"DROP TABLE eager; ALTER TABLE eager_new RENAME TO eager;",
};
/* clang-format on */

const int schema_version = ARRAY_LEN(schema_migrations);
