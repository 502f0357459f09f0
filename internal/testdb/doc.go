// Package testdb starts database servers for tests: PostgreSQL, pgbouncer and
// MariaDB, each with data of its own, on the loopback only.
//
//	PATH, /usr/sbin, /usr/lib/postgresql ── has the programs? ──▶ their paths
//	        │ no
//	cache ── fairlead/databases/<system>/<server>? ─────────────▶ their paths     Find stops here
//	        │ no                                                 ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄
//	apt-get: the packages, unpacked into the cache ─────────────▶ their paths     Fetch goes on
//
// Guarantees:
//
//   - Nothing is installed into the system. A package manager's lists and archives
//     lie in the cache too, so that Fetch needs no root.
//   - Find neither downloads nor waits. A test calls it, by way of PostgreSQL, MariaDB
//     and their like.
//   - Fetch leaves a server under its final name only when it is whole. Of several
//     processes that want it at once one fetches and the others wait.
//   - A server is ready when its start returns, and is killed with its test at the
//     latest. It keeps its port while it is stopped. It never runs as root: started
//     by root it runs as nobody.
//
// The cache is the user's. That of root is /var/cache, since nobody else can read
// root's own. It is by system and release: to have newer servers, remove it.
//
// Where a system has neither the servers nor apt-get, tests are skipped.
package testdb
