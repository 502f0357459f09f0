// Package pgserver connects to the primary among several PostgreSQL servers, for what
// keeps something there: locks, sinks.
//
//	Options ── New ──▶ Server ── Connect: host by host, until one takes writes ──▶ Conn
//	                                │                                               │
//	                                └ TLS, password of now                          └ reads no more than Allow says
//
// # Guarantees
//
//   - A standby is refused, and a server whose transactions are read only.
//   - One of several hosts or addresses that does not answer, or lets nobody in, does not
//     keep those behind it from being tried.
//   - Environment variables and files of libpq (PGHOST, PGPASSWORD, .pgpass) do not count.
//   - No password crosses a connection that is not encrypted, but as SCRAM or MD5 have it.
//   - No more is read from a server than was allowed, in all messages together.
//   - A call that is given up is not cancelled over a second connection: statements are
//     to have a timeout of their own in the server.
//   - Errors hold no password that was sent, and are one line.
//   - pgbouncer may be in between: nothing of a session is set, and nothing prepared.
//
// A Server may be used from any goroutine, a Conn by one at a time. New connects to
// nothing.
package pgserver
