// Package probe asks members, sinks, the ledger's volume and the lock what fairlead check
// wants to know.
//
//	member.Session ──▶ Member: GET /version (time, clock, certificate),
//	rest.Config ─────▶         SelfSubjectAccessReview, discovery, one empty watch
//	folder ──────────▶ Volume: the right to write, free space
//
// Nothing is changed: what is asked of a member is read-only, and Volume writes no file. Every question has a bound in time and in bytes, and [Each]
// bounds how many members are asked at once: so a member that hangs delays nobody but
// itself.
//
// No credential is part of what is returned. Texts of members are cut, go through the
// redactor of their session, and are not made printable. Everything may be called
// concurrently.
package probe
